"""What an analyst may do, as a policy document: own rows, own workgroup, own results. Pure.

**Source:** Athena User Guide, "IAM policies for accessing workgroups" and "Fine-grained access to databases and tables in the Glue Data
Catalog"; S3 User Guide, condition key ``s3:prefix``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

QUERY_ACTIONS = (
    "athena:BatchGetQueryExecution",
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
    "athena:GetQueryResultsStream",
    "athena:GetWorkGroup",
    "athena:ListQueryExecutions",
    "athena:StartQueryExecution",
    "athena:StopQueryExecution",
)
CATALOG_ACTIONS = ("glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions", "glue:GetTable")
RESULT_ACTIONS = ("s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject")


@dataclass(frozen=True, slots=True)
class LakeArns:
    """Where everything is. ``glue`` is the beginning of all catalogue names: ``arn:aws:glue:<region>:<account>``."""

    bucket: str
    results_bucket: str
    key: str
    glue: str
    database: str


@dataclass(frozen=True, slots=True)
class Reach:
    """What one reader may touch: files and results by the beginning of their names (with a slash at the end), tables by name."""

    files: str
    results: str
    tables: Sequence[str]
    workgroup_arn: str


def reader_policy(arns: LakeArns, reach: Reach) -> dict[str, Any]:
    """The document. The four denials hold whatever else is ever attached to the role."""
    own_objects = [f"{arns.bucket}/{reach.files}*", f"{arns.results_bucket}/{reach.results}*"]
    statements = [
        _allow("OwnWorkgroup", QUERY_ACTIONS, [reach.workgroup_arn]),
        _allow("Catalogue", CATALOG_ACTIONS, _catalogue(arns, reach.tables)),
        _allow("ReadOwnRows", ["s3:GetObject"], [own_objects[0]]),
        _allow("OwnResults", RESULT_ACTIONS, [own_objects[1]]),
        _allow("Places", ["s3:GetBucketLocation"], [arns.bucket, arns.results_bucket]),
        _listing("ListOwnRows", arns.bucket, reach.files),
        _listing("ListOwnResults", arns.results_bucket, reach.results),
        _allow("Unlock", ["kms:Decrypt", "kms:GenerateDataKey"], [arns.key]) | {"Condition": _through_s3()},
        _deny("NoOtherObjects", ["s3:*Object*"]) | {"NotResource": [arns.bucket, arns.results_bucket, *own_objects]},
        _deny("NoOtherNames", ["s3:ListBucket*"])
        | {"Resource": "*", "Condition": {"StringNotLike": {"s3:prefix": [f"{reach.files}*", f"{reach.results}*"]}}},
        _deny("NoOtherTables", ["glue:GetTable*", "glue:GetPartition*"]) | {"NotResource": _catalogue(arns, reach.tables)},
        _deny("NoOtherWorkgroups", ["athena:StartQueryExecution", "athena:GetQueryResults*"]) | {"NotResource": [reach.workgroup_arn]},
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def writer_policy(arns: LakeArns, *, table: str, prefixes: Sequence[str], log_stream: str) -> dict[str, Any]:
    """What the stream may do: write its files, read the table's columns, note its errors."""
    catalogue = _catalogue(arns, [table])
    upload = ["s3:AbortMultipartUpload", "s3:PutObject"]
    statements = [
        _allow("Write", upload, [f"{arns.bucket}/{prefix}*" for prefix in prefixes]),
        _allow("Place", ["s3:GetBucketLocation", "s3:ListBucketMultipartUploads"], [arns.bucket]),
        _listing("ListOwn", arns.bucket, *prefixes),
        _allow("Columns", ["glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"], catalogue),
        _allow("Errors", ["logs:PutLogEvents"], [log_stream]),
        _allow("Lock", ["kms:Decrypt", "kms:GenerateDataKey"], [arns.key]) | {"Condition": _through_s3()},
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _catalogue(arns: LakeArns, tables: Sequence[str]) -> list[str]:
    names = [f"table/{arns.database}/{table}" for table in tables]
    return [f"{arns.glue}:{name}" for name in ("catalog", f"database/{arns.database}", *names)]


def _listing(sid: str, bucket: str, *prefixes: str) -> dict[str, Any]:
    patterns = [f"{prefix}*" for prefix in prefixes]
    return _allow(sid, ["s3:ListBucket"], [bucket]) | {"Condition": {"StringLike": {"s3:prefix": patterns}, "Null": {"s3:prefix": "false"}}}


def _through_s3() -> dict[str, Any]:
    return {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}


def _allow(sid: str, actions: Sequence[str], resources: Sequence[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": [*actions], "Resource": [*resources]}


def _deny(sid: str, actions: Sequence[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Deny", "Action": [*actions]}
