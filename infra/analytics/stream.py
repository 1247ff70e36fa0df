"""The stream that takes rows as lines of JSON and writes them as Parquet by tenant and day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.analytics.catalogue import OPERATOR_TABLE, Catalogue
from infra.analytics.lake import ERRORS_PREFIX, FILES, PARTITION_KEYS, SESSIONS_PREFIX
from infra.analytics.policies import LakeArns, writer_policy

SMALLEST_BUFFER_MB = 64
"""Firehose takes no less where it converts to Parquet."""
_RETRY_S = 300


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """How the stream is called, how long it waits, how long its errors are kept in the log."""

    name: str
    buffer_s: int
    log_retention: logs.RetentionDays


class ParquetStream(Construct):
    """Firehose with what it needs: a role of its own, a log for what it could not deliver."""

    def __init__(self, scope: Construct, construct_id: str, *, plan: StreamPlan, arns: LakeArns, catalogue: Catalogue) -> None:
        super().__init__(scope, construct_id)
        self._catalogue = catalogue
        self._arns = arns
        log = logs.LogGroup(self, "Log", retention=plan.log_retention, removal_policy=RemovalPolicy.DESTROY)
        errors = logs.LogStream(self, "Errors", log_group=log, log_stream_name="delivery", removal_policy=RemovalPolicy.DESTROY)
        role = self._role(f"{log.log_group_arn}:log-stream:{errors.log_stream_name}")
        stream = firehose.CfnDeliveryStream(
            self,
            "Stream",
            delivery_stream_name=plan.name,
            delivery_stream_type="DirectPut",
            delivery_stream_encryption_configuration_input={"keyType": "AWS_OWNED_CMK"},
            extended_s3_destination_configuration={
                "bucketArn": arns.bucket,
                "roleArn": role.role_arn,
                "prefix": FILES,
                "errorOutputPrefix": f"{ERRORS_PREFIX}!{{firehose:error-output-type}}/dt=!{{timestamp:yyyy-MM-dd}}/",
                "bufferingHints": {"intervalInSeconds": plan.buffer_s, "sizeInMBs": SMALLEST_BUFFER_MB},
                "compressionFormat": "UNCOMPRESSED",  # Parquet compresses by itself
                "encryptionConfiguration": {"kmsEncryptionConfig": {"awskmsKeyArn": arns.key}},
                "cloudWatchLoggingOptions": {"enabled": True, "logGroupName": log.log_group_name, "logStreamName": errors.log_stream_name},
                "dynamicPartitioningConfiguration": {"enabled": True, "retryOptions": {"durationInSeconds": _RETRY_S}},
                "processingConfiguration": _partition_keys_of_row(),
                "dataFormatConversionConfiguration": self._conversion(role),
            },
        )
        stream.node.add_dependency(catalogue)
        self.arn = stream.attr_arn

    def _role(self, log_stream: str) -> iam.Role:
        document = writer_policy(self._arns, table=OPERATOR_TABLE, prefixes=(SESSIONS_PREFIX, ERRORS_PREFIX), log_stream=log_stream)
        return iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("firehose.amazonaws.com"),
            description="Firehose: writes rows of finished calls",
            inline_policies={"write-rows": iam.PolicyDocument.from_json(document)},
        )

    def _conversion(self, role: iam.Role) -> dict[str, Any]:
        return {
            "enabled": True,
            "inputFormatConfiguration": {"deserializer": {"openXJsonSerDe": {"caseInsensitive": False}}},
            "outputFormatConfiguration": {"serializer": {"parquetSerDe": {"compression": "SNAPPY"}}},
            "schemaConfiguration": {
                "databaseName": self._catalogue.database,
                "tableName": OPERATOR_TABLE,  # the table that has every column of a file
                "roleArn": role.role_arn,
                "versionId": "LATEST",
            },
        }


def _partition_keys_of_row() -> dict[str, Any]:
    found = "{" + ",".join(f"{name}: .{name}" for name, _ in PARTITION_KEYS) + "}"
    parameters = [
        {"parameterName": "MetadataExtractionQuery", "parameterValue": found},
        {"parameterName": "JsonParsingEngine", "parameterValue": "JQ-1.6"},
    ]
    return {"enabled": True, "processors": [{"type": "MetadataExtraction", "parameters": parameters}]}
