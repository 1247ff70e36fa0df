"""What cdk-nag asks for and is not done here, each with its reason."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import cast

from aws_cdk import Acknowledgment, CfnElement, CfnOutput, Stack, Validations
from aws_cdk.aws_s3 import Bucket
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


def arn_as_told(reader: Construct, bucket: Bucket) -> str:
    """How a finding writes the ARN of a bucket: by its logical name, or by the output of the stack that has it.

    CDK makes that output only when it synthesises, too late for an acknowledgement; so it is made here, where CDK looks for it.
    """
    owner, here = Stack.of(bucket), Stack.of(reader)
    name = owner.get_logical_id(cast(CfnElement, bucket.node.default_child))
    if owner is here:
        return f"<{name}.Arn>"
    published = cast(Construct, owner.node.try_find_child("Publish") or Construct(owner, "Publish"))
    id = f'Output{{"Fn::GetAtt":["{name}","Arn"]}}'
    output = cast(CfnOutput, published.node.try_find_child(id)) or CfnOutput(published, id, value=bucket.bucket_arn)
    told = {"StackName": owner.stack_name, "Region": {"Ref": "AWS::Region"}, "OutputName": here.resolve(output.logical_id)}
    return json.dumps({"Fn::GetStackOutput": told}, separators=(",", ":"))
