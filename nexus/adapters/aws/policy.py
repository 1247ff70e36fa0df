"""The session policy that keeps a role to one tenant: a second wall behind the repository's keys. Pure.

**Source:** IAM User Guide, "Creating a condition with multiple keys or values" (``ForAllValues`` is true for a request without the key,
so ``Null`` must deny that); DynamoDB Developer Guide, fine-grained access control (``dynamodb:LeadingKeys``).
"""

from __future__ import annotations

from typing import Any

from nexus.adapters.aws import keys
from nexus.adapters.aws.keys import TenantContext

ITEM_ACTIONS = (
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
)
"""Each of them names partition keys. Scan and PartiQL name none, and are given to nobody."""
OBJECT_ACTIONS = ("s3:DeleteObject", "s3:GetObject", "s3:PutObject")
KEY_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")
_CONTEXT = "kms:EncryptionContext:tenant_id"


def for_an_emulator(policy: dict[str, Any]) -> dict[str, Any]:
    """The same for an emulator, which knows neither leading keys nor encryption context: it would refuse all. Never for AWS."""
    return {**policy, "Statement": [_known_to_emulators(one) for one in policy["Statement"]]}


def _known_to_emulators(statement: dict[str, Any]) -> dict[str, Any]:
    asked = statement.get("Condition", {})
    kept = {how: told for how, told in asked.items() if not (how == "Null" and "dynamodb:LeadingKeys" in told) and _CONTEXT not in told}
    rest = {name: value for name, value in statement.items() if name != "Condition"}
    return {**rest, "Condition": kept} if kept else rest


def tenant_session_policy(table_arn: str, bucket_arn: str, tenant_id: str) -> dict[str, Any]:
    """The document for ``AssumeRole``: what the role may do is what both the role and this allow.

    The pattern with ``#`` before the star keeps ``acme`` out of what is ``acme2``'s. Raises RequestRejected ``invalid_tenant_id``.
    """
    of = TenantContext(tenant_id)
    prefixes = [f"{prefix}*" for prefix in keys.tenant_objects(of)]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OwnItems",
                "Effect": "Allow",
                "Action": [*ITEM_ACTIONS],
                "Resource": [table_arn, f"{table_arn}/index/*"],
                "Condition": {
                    "ForAllValues:StringLike": {"dynamodb:LeadingKeys": [of.partition(), f"{of.partition()}#*"]},
                    "Null": {"dynamodb:LeadingKeys": "false"},
                },
            },
            {
                "Sid": "OwnObjects",
                "Effect": "Allow",
                "Action": [*OBJECT_ACTIONS],
                "Resource": [f"{bucket_arn}/{prefix}" for prefix in prefixes],
            },
            {
                "Sid": "OwnNames",
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": [bucket_arn],
                "Condition": {"StringLike": {"s3:prefix": prefixes}, "Null": {"s3:prefix": "false"}},
            },
            _keys("OwnSecrets", {_CONTEXT: [tenant_id]}),
            _keys("Stores", {"kms:ViaService": ["dynamodb.*.amazonaws.com", "s3.*.amazonaws.com"]}),
        ],
    }


def _keys(sid: str, where: dict[str, list[str]]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": [*KEY_ACTIONS], "Resource": ["*"], "Condition": {"StringLike": where}}
