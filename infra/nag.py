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


LOCKED_RUNTIME = Reason("AwsSolutions-L1", "The runtime is the one that the locked wheels were made for; it moves when they do.")
SNAPSHOT_PUBLISHED = Reason(
    "Annotation::@aws-cdk/aws-lambda:snapStartRequirePublish", "Each change is published, and callers use the alias of the latest."
)
TRACES = Reason("AwsSolutions-IAM5[Resource::*]", "X-Ray's actions take no resource.")
TURNED_BY_HAND = Reason(
    "AwsSolutions-SMG4",
    "Keys that hash and seal cannot be rotated by a clock without losing what they hashed and sealed; the one that signs is turned in two "
    "steps by an operator (docs/operations.md), so that no call is refused meanwhile.",
)
NO_PLUS_PLAN = Reason("AwsSolutions-COG8", "The Plus plan is paid for each person; whoever wants its threat protection sets the plan.")
SECOND_FACTOR_IS_A_SETTING = Reason("AwsSolutions-COG2", "A second factor is a setting (mfa); it is required in prod.")
DEAD_END = Reason("AwsSolutions-SQS3", "This is where undeliverable events end; a queue behind it would only move them.")
OPEN_ROUTE = Reason("AwsSolutions-APIG4", "Health, the API's own description and preflights show no tenant's data and take no credential.")
LOGS_OF_LOGS = Reason("AwsSolutions-S1", "This bucket holds the access logs; logging its own access would never end.")
OBJECTS_OF_A_KIND = "Names of objects are made of tenant, day and call; the prefix is the kind of object that this role is for."


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
