"""NexusAnalytics: the columns are those of the rows, files lie where the code looks, and an analyst reaches one tenant only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.analytics.lake import ERRORS_PREFIX, SESSIONS_PREFIX, tenant_prefix
from infra.analytics.policies import LakeArns, Reach, reader_policy
from infra.settings import SettingsError, stage_settings
from local.query.statement import OPERATOR_TABLE, TENANT_TABLE
from nexus.adapters.aws import keys
from nexus.adapters.aws.keys import TenantContext
from nexus.domain.analytics import AnalyticsRow
from tests.aws import client, set_credentials
from tests.emulator import REGION, emulator
from tests.fakes.iam import allowed
from tests.lake import TENANTS, Lake, analytics_templates, deployed_lake

GLUE_TYPES = {datetime: "timestamp", date: "string", bool: "boolean", int: "bigint", float: "double"}
ARNS = LakeArns("arn:aws:s3:::archive", "arn:aws:s3:::answers", "arn:aws:kms:eu-west-1:1:key/k", "arn:aws:glue:eu-west-1:1", "nexus_dev")
WORKGROUPS = "arn:aws:athena:eu-west-1:1:workgroup"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return analytics_templates("prod")[1]


def of(template: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in template["Resources"].values() if one["Type"] == kind]


def table(template: Mapping[str, Any], name: str) -> dict[str, Any]:
    (found,) = (one["TableInput"] for one in of(template, "AWS::Glue::Table") if one["TableInput"]["Name"] == name)
    return dict(found)


def columns(held: Any) -> list[tuple[str, str]]:
    return [(one["Name"], one["Type"]) for one in held]


def glue_type(annotation: Any) -> str:
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(one for one in get_args(annotation) if one is not NoneType)
    return GLUE_TYPES.get(annotation, "string")


# --- what is written ---------------------------------------------------------------------------------------------------------


def test_the_columns_are_those_of_a_row(template: dict[str, Any]) -> None:
    row = [(name, glue_type(field.annotation)) for name, field in AnalyticsRow.model_fields.items()]
    everybody, tenants = table(template, OPERATOR_TABLE), table(template, TENANT_TABLE)
    assert columns(everybody["StorageDescriptor"]["Columns"]) == row
    assert everybody["PartitionKeys"] == []
    partition = columns(tenants["PartitionKeys"])
    assert partition == [("tenant_id", "string"), ("dt", "string")]
    assert columns(tenants["StorageDescriptor"]["Columns"]) == [one for one in row if one not in partition]


def test_files_lie_where_the_code_looks_for_them(template: dict[str, Any]) -> None:
    assert tenant_prefix("acme") == keys.analytics_objects(TenantContext("acme"))
    parameters = table(template, TENANT_TABLE)["Parameters"]
    assert json.dumps(parameters["storage.location.template"]).endswith('/lake/sessions/tenant_id=${tenant_id}/dt=${dt}/"]]}')
    projected = {name: value for name, value in parameters.items() if name.startswith("projection.")}
    assert projected == {
        "projection.enabled": "true",
        "projection.tenant_id.type": "injected",
        "projection.dt.type": "date",
        "projection.dt.format": "yyyy-MM-dd",
        "projection.dt.range": "2026-01-01,NOW",
    }
    assert not any(name.startswith("projection.") for name in table(template, OPERATOR_TABLE)["Parameters"])


def test_rows_become_parquet_by_tenant_and_day_within_two_minutes(template: dict[str, Any]) -> None:
    (stream,) = of(template, "AWS::KinesisFirehose::DeliveryStream")
    to = stream["ExtendedS3DestinationConfiguration"]
    assert stream["DeliveryStreamName"] == stage_settings("prod").stream_name
    assert stream["DeliveryStreamEncryptionConfigurationInput"] == {"KeyType": "AWS_OWNED_CMK"}
    assert to["BufferingHints"] == {"IntervalInSeconds": 120, "SizeInMBs": 64}
    assert to["Prefix"] == "lake/sessions/tenant_id=!{partitionKeyFromQuery:tenant_id}/dt=!{partitionKeyFromQuery:dt}/"
    assert to["ErrorOutputPrefix"].startswith(ERRORS_PREFIX)
    assert not ERRORS_PREFIX.startswith(SESSIONS_PREFIX)
    assert to["DynamicPartitioningConfiguration"]["Enabled"]
    (processor,) = to["ProcessingConfiguration"]["Processors"]
    assert processor["Parameters"][0]["ParameterValue"] == "{tenant_id: .tenant_id,dt: .dt}"
    conversion = to["DataFormatConversionConfiguration"]
    assert conversion["SchemaConfiguration"]["TableName"] == OPERATOR_TABLE, "it has every column"
    assert "ParquetSerDe" in conversion["OutputFormatConfiguration"]["Serializer"]
    assert to["CloudWatchLoggingOptions"]["Enabled"]
    assert to["EncryptionConfiguration"]["KMSEncryptionConfig"]["AWSKMSKeyARN"]


def test_a_buffer_is_never_longer_than_the_promise() -> None:
    with pytest.raises(SettingsError, match="analytics_buffer_s"):
        stage_settings("dev", {"analytics_buffer_s": 121})


# --- who asks ----------------------------------------------------------------------------------------------------------------


def test_every_reader_has_a_cap_and_encrypted_answers_of_their_own(template: dict[str, Any]) -> None:
    groups = {one["Name"]: one["WorkGroupConfiguration"] for one in of(template, "AWS::Athena::WorkGroup")}
    assert set(groups) == {"nexus-prod-operator", "nexus-prod-tenant-acme", "nexus-prod-tenant-acme2"}
    for name, group in groups.items():
        owner = "operator" if name.endswith("operator") else f"tenant_id={name.removeprefix('nexus-prod-tenant-')}"
        assert group["EnforceWorkGroupConfiguration"]
        assert group["BytesScannedCutoffPerQuery"] == (100 if owner == "operator" else 10) * 1024**3
        assert group["ResultConfiguration"]["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"
        assert json.dumps(group["ResultConfiguration"]["OutputLocation"]).endswith(f'/{owner}/"]]}}')


def test_answers_are_locked_and_go_by_themselves(template: dict[str, Any]) -> None:
    (bucket,) = of(template, "AWS::S3::Bucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert [one["ExpirationInDays"] for one in bucket["LifecycleConfiguration"]["Rules"]] == [7]
    (policy,) = of(template, "AWS::S3::BucketPolicy")
    denied = [one["Condition"] for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in denied


def test_the_roles_carry_the_document_and_nothing_else(template: dict[str, Any]) -> None:
    roles = [one for one in of(template, "AWS::IAM::Role") if "Analysts" in one["Description"]]
    assert len(roles) == 3
    for role in roles:
        assert "ManagedPolicyArns" not in role
        (policy,) = role["Policies"]
        assert {one["Sid"] for one in policy["PolicyDocument"]["Statement"]} == {one["Sid"] for one in analyst("acme")["Statement"]}


@pytest.mark.parametrize("wrong", ["Acme", "acme/..", "acme,acme", "*", "a"])
def test_a_name_that_would_widen_a_policy_is_no_tenant(wrong: str) -> None:
    with pytest.raises(SettingsError, match="analytics_tenants"):
        stage_settings("dev", {"analytics_tenants": wrong})


def test_the_roles_trust_whom_the_settings_name() -> None:
    arn = "arn:aws:iam::123456789012:role/Analysts"
    with_one = analytics_templates("prod", analyst_principals=arn)[1]
    for template, trusted in ((with_one, arn), (analytics_templates("prod")[1], ":root")):
        for role in of(template, "AWS::IAM::Role"):
            if "Analysts" in role["Description"]:
                (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
                assert trusted in json.dumps(statement["Principal"])
    with pytest.raises(SettingsError, match="analyst_principals"):
        stage_settings("dev", {"analyst_principals": "arn:aws:iam::123456789012:role/*"})


# --- the document ------------------------------------------------------------------------------------------------------------


def analyst(tenant_id: str) -> dict[str, Any]:
    reach = Reach(tenant_prefix(tenant_id), f"tenant_id={tenant_id}/", (TENANT_TABLE,), f"{WORKGROUPS}/nexus-dev-tenant-{tenant_id}")
    return reader_policy(ARNS, reach)


def test_an_analyst_reads_the_rows_of_their_own_tenant() -> None:
    own = analyst("acme")
    assert allowed(own, "s3:GetObject", "arn:aws:s3:::archive/lake/sessions/tenant_id=acme/dt=2026-11-21/a.parquet")
    assert allowed(own, "s3:ListBucket", "arn:aws:s3:::archive", s3__prefix="lake/sessions/tenant_id=acme/dt=2026-11-21/")
    assert allowed(own, "s3:PutObject", "arn:aws:s3:::answers/tenant_id=acme/1.csv")
    assert allowed(own, "s3:GetObject", "arn:aws:s3:::answers/tenant_id=acme/1.csv")
    assert allowed(own, "athena:StartQueryExecution", f"{WORKGROUPS}/nexus-dev-tenant-acme")
    assert allowed(own, "glue:GetTable", "arn:aws:glue:eu-west-1:1:table/nexus_dev/sessions")
    assert allowed(own, "kms:Decrypt", ARNS.key, kms__ViaService="s3.eu-west-1.amazonaws.com")


@pytest.mark.parametrize(
    "name",
    [
        "lake/sessions/tenant_id=acme2/dt=2026-11-21/a.parquet",
        "lake/sessions/tenant_id=acm/dt=2026-11-21/a.parquet",
        "lake/sessions/tenant_id=acme",
        "lake/sessions/a.parquet",
        "lake/errors/format-conversion-failed/dt=2026-11-21/a",
        "sessions/tenant_id=acme/dt=2026-11-21/call_1.json.gz",
        "private/tenant_id=acme/dt=2026-11-21/call_1.json.gz",
        "media/tenant_id=acme/dt=2026-11-21/call_1/call.ogg",
    ],
)
def test_no_other_object_is_read_even_if_the_role_is_given_more(name: str) -> None:
    for own in (analyst("acme"), with_everything(analyst("acme"))):
        assert not allowed(own, "s3:GetObject", f"arn:aws:s3:::archive/{name}")
        assert not allowed(own, "s3:GetObjectVersion", f"arn:aws:s3:::archive/{name}")


@pytest.mark.parametrize(
    "prefix",
    [None, "", "lake/", "lake/sessions/", "lake/sessions/tenant_id=acme", "lake/sessions/tenant_id=acme2/", "private/tenant_id=acme/"],
)
def test_no_other_name_is_listed_even_if_the_role_is_given_more(prefix: str | None) -> None:
    context = {} if prefix is None else {"s3__prefix": prefix}
    for own in (analyst("acme"), with_everything(analyst("acme"))):
        assert not allowed(own, "s3:ListBucket", "arn:aws:s3:::archive", **context)
        assert not allowed(own, "s3:ListBucketVersions", "arn:aws:s3:::archive", **context)


def test_no_other_workgroup_table_or_answer_is_reached() -> None:
    own = analyst("acme")
    for name in ("nexus-dev-tenant-acme2", "nexus-dev-operator", "primary"):
        assert not allowed(own, "athena:StartQueryExecution", f"{WORKGROUPS}/{name}")
        assert not allowed(with_everything(own), "athena:GetQueryResults", f"{WORKGROUPS}/{name}")
    for name in ("nexus_dev/sessions_all", "nexus_dev/sessions2", "other/sessions"):
        assert not allowed(with_everything(own), "glue:GetTable", f"arn:aws:glue:eu-west-1:1:table/{name}")
    assert not allowed(with_everything(own), "s3:GetObject", "arn:aws:s3:::answers/tenant_id=acme2/1.csv")
    assert not allowed(with_everything(own), "s3:GetObject", "arn:aws:s3:::answers/operator/1.csv")
    assert not allowed(own, "kms:Decrypt", ARNS.key), "only through S3"


def test_an_analyst_changes_nothing() -> None:
    own = analyst("acme")
    for action in ("s3:PutObject", "s3:DeleteObject"):
        assert not allowed(own, action, "arn:aws:s3:::archive/lake/sessions/tenant_id=acme/dt=2026-11-21/a.parquet")
    for action in ("glue:UpdateTable", "glue:DeleteTable", "athena:UpdateWorkGroup", "athena:DeleteWorkGroup", "iam:PassRole"):
        assert not allowed(own, action, "arn:aws:glue:eu-west-1:1:table/nexus_dev/sessions")


def with_everything(document: dict[str, Any]) -> dict[str, Any]:
    """The role as if somebody had attached an administrator's policy to it."""
    return document | {"Statement": [*document["Statement"], {"Sid": "All", "Effect": "Allow", "Action": ["*"], "Resource": ["*"]}]}


# --- the role itself, where rights are enforced ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def as_analyst() -> Iterator[tuple[Lake, Callable[[str], Any]]]:
    """An emulator that refuses what a role may not, and clients of an analyst of ``acme``. It knows no rights on single tables."""
    with pytest.MonkeyPatch.context() as patch, emulator(rights=True) as url:
        set_credentials(patch)
        with deployed_lake(url) as lake:
            for tenant_id in TENANTS:
                client("s3", url).put_object(Bucket=lake.bucket, Key=f"{tenant_prefix(tenant_id)}dt=2026-11-21/a.parquet", Body=b"x")
            role = next(value for name, value in lake.outputs.items() if name.startswith("TenantacmeRole"))
            taken = client("sts", url).assume_role(RoleArn=role, RoleSessionName="analyst")["Credentials"]
            session: Any = boto3.Session(taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"], region_name=REGION)
            yield lake, lambda service: session.client(service, endpoint_url=url)


def refused(request: Callable[[], Any]) -> bool:
    try:
        request()
    except ClientError as error:
        assert error.response["Error"]["Code"].startswith("AccessDenied"), error
        return True
    return False


@pytest.mark.parametrize(("tenant_id", "is_refused"), [("acme", False), ("acme2", True)])
def test_taken_up_the_role_reads_lists_and_asks_for_its_tenant_only(
    as_analyst: tuple[Lake, Callable[[str], Any]], tenant_id: str, is_refused: bool
) -> None:
    lake, of_service = as_analyst
    s3, athena, prefix = of_service("s3"), of_service("athena"), tenant_prefix(tenant_id)
    group = lake.workgroup(tenant_id).name
    assert refused(lambda: s3.get_object(Bucket=lake.bucket, Key=f"{prefix}dt=2026-11-21/a.parquet")) is is_refused
    assert refused(lambda: s3.list_objects_v2(Bucket=lake.bucket, Prefix=prefix)) is is_refused
    assert refused(lambda: athena.start_query_execution(QueryString="SELECT 1", WorkGroup=group)) is is_refused


def test_taken_up_the_role_neither_writes_nor_looks_around(as_analyst: tuple[Lake, Callable[[str], Any]]) -> None:
    lake, of_service = as_analyst
    s3, athena = of_service("s3"), of_service("athena")
    assert refused(lambda: s3.put_object(Bucket=lake.bucket, Key=f"{tenant_prefix('acme')}dt=2026-11-21/b.parquet", Body=b"x"))
    assert refused(lambda: s3.delete_object(Bucket=lake.bucket, Key=f"{tenant_prefix('acme')}dt=2026-11-21/a.parquet"))
    assert refused(lambda: s3.list_objects_v2(Bucket=lake.bucket, Prefix=SESSIONS_PREFIX))
    assert refused(lambda: s3.list_objects_v2(Bucket=lake.bucket))
    assert refused(lambda: athena.start_query_execution(QueryString="SELECT 1", WorkGroup=lake.workgroup().name))
