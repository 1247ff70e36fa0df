"""What a role is not given it is refused: functions' shares of the keys, and who becomes a tenant."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from nexus.adapters.aws.connection import NO_RIGHT
from tests.e2e_aws.deployment import Deployment
from tests.e2e_aws.media import task_role
from tests.emulator import REGION

SHARES = {
    "Api": {"Keys"},
    "Authorizer": {"AuthorizerKeys"},
    "AfterCall": {"ReaderKeys"},
    "Webhooks": set(),
    "Jobs": set(),
    "Expire": set(),
}
"""Functions of the control plane, and which secrets each reads."""


def refused(ask: Any, **asked: Any) -> bool:
    """Whether AWS says that the role may not. What is wrong with the request otherwise is a fault of the test."""
    try:
        ask(**asked)
    except ClientError as error:
        assert error.response["Error"]["Code"] in NO_RIGHT, error
        return True
    return False


def client(deployment: Deployment, service: str, role: str) -> Any:
    """Asks under a role."""
    given: Any = deployment.taken_up(role)
    made: Any = boto3.Session(**given, region_name=REGION)
    return made.client(service, endpoint_url=deployment.emulator_url)


@pytest.fixture(scope="module")
def secrets(deployment: Deployment) -> dict[str, str]:
    """Those of the installation, by the stack's own name of each."""
    listed = deployment.aws("cloudformation").list_stack_resources(StackName="Nexus-local-Data")["StackResourceSummaries"]
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in listed if one["ResourceType"] == "AWS::SecretsManager::Secret"}


@pytest.mark.parametrize("function", SHARES)
def test_a_function_reads_its_share_of_the_keys_and_no_other_secret(deployment: Deployment, secrets: dict[str, str], function: str) -> None:
    assert len(secrets) == 4
    asks = client(deployment, "secretsmanager", deployment.function(f"Control-{function}")["Role"])
    assert {name for name, secret in secrets.items() if not refused(asks.get_secret_value, SecretId=secret)} == SHARES[function]


@pytest.mark.parametrize("function", SHARES)
def test_the_api_alone_becomes_a_tenant(deployment: Deployment, function: str) -> None:
    sts = client(deployment, "sts", deployment.function(f"Control-{function}")["Role"])
    tenants = deployment.outputs["TenantAccessRoleArn"]
    assert refused(sts.assume_role, RoleArn=tenants, RoleSessionName="proof") is (function != "Api")


def test_a_media_task_reads_no_archive_and_no_secret(deployment: Deployment, secrets: dict[str, str]) -> None:
    role, bucket, written = task_role(deployment), deployment.outputs["BucketName"], "media/proof"
    s3 = client(deployment, "s3", role)
    s3.put_object(Bucket=bucket, Key=written, Body=b"written")
    assert s3.list_objects_v2(Bucket=bucket, Prefix=written)["KeyCount"] == 1
    assert refused(s3.get_object, Bucket=bucket, Key=written)
    assert refused(s3.delete_object, Bucket=bucket, Key=written)
    assert refused(client(deployment, "dynamodb", role).scan, TableName=deployment.outputs["TableName"])
    keys = client(deployment, "secretsmanager", role)
    assert all(refused(keys.get_secret_value, SecretId=secret) for secret in secrets.values())
    assert refused(client(deployment, "sts", role).assume_role, RoleArn=deployment.outputs["TenantAccessRoleArn"], RoleSessionName="proof")
