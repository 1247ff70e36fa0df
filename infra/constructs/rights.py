"""What roles may do, in the words of docs/lambda.md: exact actions on exact resources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

INDEX = "by_kind"
READ_ITEMS = ("GetItem", "BatchGetItem", "Query")
WRITE_ITEMS = ("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem")


@dataclass(frozen=True, slots=True)
class Rights:
    """Statements about one table, one bucket and one key.

    Attributes:
        table_arn, bucket_arn: what they are about.
        key: what both are encrypted with.
        region: of the services that use the key.
        evaluates_keys: whether IAM knows a request's leading keys and encryption context; the emulator does not, and refuses where they
            are asked for.
    """

    table_arn: str
    bucket_arn: str
    key: kms.IKey
    region: str
    evaluates_keys: bool = True

    def items(self, *actions: str, leading: Sequence[str] = (), index: bool = False) -> iam.PolicyStatement:
        """Items of the table, or of its index too. ``leading``: only those whose partition keys are like one of these."""
        conditions: dict[str, Any] = {}
        if leading and self.evaluates_keys:
            # ForAllValues is true of a request that names no key, so that one is refused beside.
            conditions = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [*leading]}, "Null": {"dynamodb:LeadingKeys": "false"}}
        return iam.PolicyStatement(
            actions=[f"dynamodb:{one}" for one in actions],
            resources=[self.table_arn, *([f"{self.table_arn}/index/{INDEX}"] if index else [])],
            conditions=conditions or None,
        )

    def objects(self, *actions: str, prefixes: Sequence[str]) -> iam.PolicyStatement:
        """Objects below some prefixes (``sessions/``)."""
        return iam.PolicyStatement(
            actions=[f"s3:{one}" for one in actions], resources=[f"{self.bucket_arn}/{prefix}*" for prefix in prefixes]
        )

    def names(self, prefixes: Sequence[str] = ()) -> iam.PolicyStatement:
        """Names of the bucket's objects. ``prefixes``: only those below them, for whoever lists and reads nothing.

        Who reads must have it whole: an object that is not there is a 404 with it and a 403 without, and such a read names no prefix.
        """
        return iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[self.bucket_arn],
            conditions={"StringLike": {"s3:prefix": [f"{one}*" for one in prefixes]}} if prefixes else None,
        )

    def encrypted(self, *services: str, writes: bool = False) -> iam.PolicyStatement:
        """Use of the key by services that read (and write) for the role."""
        return iam.PolicyStatement(
            actions=["kms:Decrypt", *(["kms:GenerateDataKey"] if writes else [])],
            resources=[self.key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": [f"{one}.{self.region}.amazonaws.com" for one in services]}},
        )

    def seals(self, *actions: str) -> iam.PolicyStatement:
        """Tenants' secrets, which name their tenant in the encryption context."""
        return iam.PolicyStatement(
            actions=[f"kms:{one}" for one in actions],
            resources=[self.key.key_arn],
            conditions={"Null": {"kms:EncryptionContext:tenant_id": "false"}} if self.evaluates_keys else None,
        )
