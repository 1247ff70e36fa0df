"""NexusAnalytics: rows of finished calls as Parquet, and who may ask what of them."""

from __future__ import annotations

from typing import Any

from aws_cdk import Aws, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.analytics.catalogue import OPERATOR_TABLE, TENANT_TABLE, Catalogue
from infra.analytics.lake import ERRORS_PREFIX, SESSIONS_PREFIX, tenant_prefix
from infra.analytics.policies import LakeArns
from infra.analytics.readers import Reader, ReaderRoom, Rooms
from infra.analytics.stream import ParquetStream, StreamPlan
from infra.constructs.function import retention
from infra.nag import Reason, acknowledge, arn_as_told
from infra.settings import StageSettings
from infra.stacks.data import NexusData


class NexusAnalytics(Stack):
    """Stream, catalogue, workgroups and readers' roles.

    Attributes:
        stream_arn: where the function after calls puts its rows.
        results: the bucket of what queries answered.
    """

    def __init__(self, scope: Construct, id: str, *, settings: StageSettings, data: NexusData, **kwargs: Any) -> None:
        super().__init__(scope, id, **kwargs)
        self.results = self._results_bucket(settings, data)
        catalogue = Catalogue(self, "Catalogue", database=settings.name.replace("-", "_"), bucket_name=data.bucket.bucket_name)
        arns = LakeArns(
            bucket=data.bucket.bucket_arn,
            results_bucket=self.results.bucket_arn,
            key=data.key.key_arn,
            glue=f"arn:{Aws.PARTITION}:glue:{Aws.REGION}:{Aws.ACCOUNT_ID}",
            database=catalogue.database,
        )
        plan = StreamPlan(settings.stream_name, settings.analytics_buffer_s, retention(settings.log_retention_days))
        rows = ParquetStream(self, "Rows", plan=plan, arns=arns, catalogue=catalogue)
        self._explain(rows, (data.bucket, SESSIONS_PREFIX), (data.bucket, ERRORS_PREFIX))
        self.stream_arn = rows.arn
        rooms = Rooms(arns, self.results.bucket_name, settings.analyst_principals)
        operator = _operator(settings)
        for name, reader in {"Operator": operator, **_tenants(settings)}.items():
            room = ReaderRoom(self, name, reader=reader, rooms=rooms)
            self._explain(room, (data.bucket, reader.files), (self.results, reader.results))
        CfnOutput(self, "StreamName", value=settings.stream_name)
        CfnOutput(self, "GlueDatabase", value=catalogue.database)
        CfnOutput(self, "OperatorWorkgroup", value=operator.workgroup)

    def _results_bucket(self, settings: StageSettings, data: NexusData) -> s3.Bucket:
        """Answers are copies, and go by themselves."""
        bucket = s3.Bucket(
            self,
            "Results",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=data.key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=not settings.local,
            minimum_tls_version=None if settings.local else 1.2,
            removal_policy=RemovalPolicy.DESTROY,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="answers",
                    expiration=Duration.days(settings.analytics_results_days),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                )
            ],
        )
        acknowledge(bucket, Reason("AwsSolutions-S1", "Athena keeps who asked what; an access log of answers would tell it twice."))
        return bucket

    def _explain(self, who: Construct, *reach: tuple[s3.Bucket, str]) -> None:
        why = "Firehose and Athena choose the names of files; each pattern begins with a prefix that is this reader's or writer's own."
        acknowledge(who, *(Reason(f"AwsSolutions-IAM5[Resource::{arn_as_told(self, bucket)}/{prefix}*]", why) for bucket, prefix in reach))


def _operator(settings: StageSettings) -> Reader:
    return Reader(
        workgroup=f"{settings.name}-operator",
        files=SESSIONS_PREFIX,
        results="operator/",
        tables=(TENANT_TABLE, OPERATOR_TABLE),
        cap_gb=settings.analytics_operator_scan_cap_gb,
    )


def _tenants(settings: StageSettings) -> dict[str, Reader]:
    return {
        f"Tenant-{tenant_id}": Reader(
            workgroup=f"{settings.name}-tenant-{tenant_id}",
            files=tenant_prefix(tenant_id),
            results=f"tenant_id={tenant_id}/",
            tables=(TENANT_TABLE,),
            cap_gb=settings.analytics_scan_cap_gb,
        )
        for tenant_id in settings.analytics_tenants
    }
