"""The table and the bucket as data: what a test makes, and what the stack deploys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nexus.adapters.aws.table import INDEX

TTL_ATTRIBUTE = "expires_s"
"""Unix seconds after which DynamoDB may delete an item. Nothing is decided by its being gone."""

TABLE: Mapping[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "ipk", "isk")],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": INDEX,
            "KeySchema": [{"AttributeName": "ipk", "KeyType": "HASH"}, {"AttributeName": "isk", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "BillingMode": "PAY_PER_REQUEST",
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
}
"""Arguments of CreateTable but its name. Only session rows and analyses carry ``ipk`` and ``isk``."""

TIME_TO_LIVE: Mapping[str, Any] = {"Enabled": True, "AttributeName": TTL_ATTRIBUTE}
POINT_IN_TIME_RECOVERY: Mapping[str, Any] = {"PointInTimeRecoveryEnabled": True}

LONGEST_RETENTION_DAYS = 730
ANALYTICS_ERRORS_DAYS = 30
"""Rows that could not become Parquet name a tenant, and lie under no prefix of its own."""

LIFECYCLE: Mapping[str, Any] = {
    "Rules": [
        {
            "ID": "private-transcripts-backstop",
            "Status": "Enabled",
            "Filter": {"Prefix": "private/"},
            "Expiration": {"Days": LONGEST_RETENTION_DAYS + 1},
        },
        {
            "ID": "expiry-marks-backstop",
            "Status": "Enabled",
            "Filter": {"Prefix": "expiry/"},
            "Expiration": {"Days": LONGEST_RETENTION_DAYS + 1},
        },
        {
            "ID": "analytics-errors-backstop",
            "Status": "Enabled",
            "Filter": {"Prefix": "lake/errors/"},
            "Expiration": {"Days": ANALYTICS_ERRORS_DAYS},
        },
        {
            "ID": "torn-uploads",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        },
    ]
}
"""Private transcripts are deleted when they are due (``S3SessionArchive.delete_expired``); these rules stand behind it."""

PUBLIC_ACCESS: Mapping[str, bool] = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def create_table(dynamodb: Any, name: str, *, expiring: bool = True) -> None:
    """Make the table with a client of boto3, and wait until it is there. ``expiring``: it deletes items by its own clock."""
    dynamodb.create_table(TableName=name, **TABLE)
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    if expiring:
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=TIME_TO_LIVE)


def create_bucket(s3: Any, name: str) -> None:
    """Make the bucket with a client of boto3."""
    s3.create_bucket(Bucket=name)
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=PUBLIC_ACCESS)
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration=LIFECYCLE)
