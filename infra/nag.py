"""What cdk-nag asks for and is not done here, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Acknowledgment, Validations
from constructs import Construct, IConstruct


@dataclass(frozen=True, slots=True)
class Reason:
    """One finding that stays, for everything below a construct.

    Attributes:
        rule: the finding's id, as the report gives it (``AwsSolutions-IAM5[Resource::*]``).
        why: why it stays; a sentence that a reviewer can disagree with.
    """

    rule: str
    why: str


def acknowledge(scope: IConstruct | Construct, *reasons: Reason) -> None:
    """Let findings stay on a construct and what is below it."""
    Validations.of(scope).acknowledge(*(Acknowledgment(id=one.rule, reason=one.why) for one in reasons))
