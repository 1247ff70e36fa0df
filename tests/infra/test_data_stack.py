"""What is kept has the shape that the adapters know, is brought back after a mistake, and is read by those for whom it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from control_plane.access.principal import Role
from infra.settings import SettingsError, stage_settings
from nexus.adapters.aws import schema
from nexus.adapters.aws.policy import ITEM_ACTIONS, OBJECT_ACTIONS
from tests.synth import Assembly, synthesised


@pytest.fixture(params=("dev", "prod", "local"))
def stage(request: pytest.FixtureRequest) -> Assembly:
    return synthesised(str(request.param))


@pytest.fixture
def prod() -> Assembly:
    return synthesised("prod")


def only(of: Assembly, kind: str, part: str = "Data") -> dict[str, Any]:
    (found,) = of.of(part, kind).values()
    return dict(found["Properties"])


def archive(of: Assembly) -> dict[str, Any]:
    (found,) = (one["Properties"] for name, one in of.of("Data", "AWS::S3::Bucket").items() if name.startswith("Archive"))
    return dict(found)


# --- the table -----------------------------------------------------------------------------------------------------------------


def test_the_table_is_the_one_that_the_adapters_know(stage: Assembly) -> None:
    told = only(stage, "AWS::DynamoDB::Table")

    def attributes(of: Any) -> list[Any]:
        return sorted(of, key=lambda one: str(one["AttributeName"]))

    assert attributes(told["AttributeDefinitions"]) == attributes(schema.TABLE["AttributeDefinitions"])
    assert told["KeySchema"] == schema.TABLE["KeySchema"]
    assert told["GlobalSecondaryIndexes"] == schema.TABLE["GlobalSecondaryIndexes"]
    assert told["BillingMode"] == schema.TABLE["BillingMode"]
    assert told["StreamSpecification"]["StreamViewType"] == schema.TABLE["StreamSpecification"]["StreamViewType"]
    assert told["TimeToLiveSpecification"] == schema.TIME_TO_LIVE


def test_the_table_can_be_set_back_to_any_second(stage: Assembly) -> None:
    told = only(stage, "AWS::DynamoDB::Table")["PointInTimeRecoverySpecification"]
    assert schema.POINT_IN_TIME_RECOVERY.items() <= told.items()


def test_a_production_goes_back_five_weeks_and_cannot_be_deleted(prod: Assembly) -> None:
    table = only(prod, "AWS::DynamoDB::Table")
    assert table["PointInTimeRecoverySpecification"]["RecoveryPeriodInDays"] == 35
    assert table["DeletionProtectionEnabled"] is True
    assert only(prod, "AWS::Cognito::UserPool")["DeletionProtection"] == "ACTIVE"


def test_the_table_is_encrypted_with_the_key_of_the_stage(stage: Assembly) -> None:
    assert only(stage, "AWS::DynamoDB::Table")["SSESpecification"]["SSEType"] == "KMS"
    assert only(stage, "AWS::KMS::Key")["EnableKeyRotation"] is True


# --- the archive ---------------------------------------------------------------------------------------------------------------


def test_the_archive_deletes_what_the_adapters_say_and_nothing_else_that_is_current(stage: Assembly) -> None:
    rules = {one["Id"]: one for one in archive(stage)["LifecycleConfiguration"]["Rules"]}
    for wanted in schema.LIFECYCLE["Rules"]:
        told = rules.pop(wanted["ID"])
        assert told["Status"] == wanted["Status"]
        assert told.get("Prefix", "") == wanted["Filter"]["Prefix"]
        assert told.get("ExpirationInDays") == wanted.get("Expiration", {}).get("Days")
        torn = wanted.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
        assert told.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation") == torn
    assert all("ExpirationInDays" not in one for one in rules.values())


def test_what_is_deleted_comes_back_for_a_week_in_production_and_then_is_gone(prod: Assembly) -> None:
    told = archive(prod)
    (rule,) = (one for one in told["LifecycleConfiguration"]["Rules"] if one["Id"] == "deleted-objects")
    assert told["VersioningConfiguration"] == {"Status": "Enabled"}
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 7}
    assert rule["ExpiredObjectDeleteMarker"] is True


def test_the_archive_tells_eventbridge_and_writes_access_logs(stage: Assembly) -> None:
    told = archive(stage)
    assert told["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert told["LoggingConfiguration"]["LogFilePrefix"] == "archive/"
    assert told["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["BucketKeyEnabled"] is True


# --- secrets -------------------------------------------------------------------------------------------------------------------


def test_cloudformation_never_knows_a_key(stage: Assembly) -> None:
    for told in stage.of("Data", "AWS::SecretsManager::Secret").values():
        assert not {"SecretString", "GenerateSecretString"} & set(told["Properties"])
        assert told["Properties"]["KmsKeyId"]


def test_keys_are_made_when_the_stack_is(stage: Assembly) -> None:
    assert len(stage.of("Data", "Custom::NexusKeys")) == 1


# --- people --------------------------------------------------------------------------------------------------------------------


def test_groups_are_the_roles_that_the_control_plane_knows(stage: Assembly) -> None:
    groups = {one["Properties"]["GroupName"] for one in stage.of("Data", "AWS::Cognito::UserPoolGroup").values()}
    assert groups == {one.value for one in Role if one.value in groups} == {"platform_admin", "tenant_admin", "tenant_viewer", "analyst"}


def test_nobody_writes_their_own_tenant(stage: Assembly) -> None:
    (attribute,) = (one for one in only(stage, "AWS::Cognito::UserPool")["Schema"] if one["Name"] == "tenant_id")
    client = only(stage, "AWS::Cognito::UserPoolClient")
    assert attribute["Mutable"] is False
    assert "custom:tenant_id" in client["ReadAttributes"]
    assert client["WriteAttributes"] == ["email"]
    assert only(stage, "AWS::Cognito::UserPool")["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True


def test_passwords_are_sent_as_such_to_the_emulator_only(prod: Assembly) -> None:
    assert "ALLOW_USER_PASSWORD_AUTH" not in only(prod, "AWS::Cognito::UserPoolClient")["ExplicitAuthFlows"]
    assert "ALLOW_USER_PASSWORD_AUTH" in only(synthesised("local"), "AWS::Cognito::UserPoolClient")["ExplicitAuthFlows"]


def test_a_production_asks_for_a_second_factor(prod: Assembly) -> None:
    assert only(prod, "AWS::Cognito::UserPool")["MfaConfiguration"] == "ON"


# --- the tenant access role ----------------------------------------------------------------------------------------------------


def tenant_statements(of: Assembly) -> list[dict[str, Any]]:
    (policy,) = (one for name, one in of.of("Data", "AWS::IAM::Policy").items() if name.startswith("TenantAccess"))
    return list(policy["Properties"]["PolicyDocument"]["Statement"])


def test_only_the_api_of_the_same_stage_becomes_a_tenant(prod: Assembly) -> None:
    (role,) = (one["Properties"] for name, one in prod.of("Data", "AWS::IAM::Role").items() if name.startswith("TenantAccess"))
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    (api,) = (name for name in prod.of("Data", "AWS::IAM::Role") if name.startswith("ApiRole"))
    assert (trust["Effect"], trust["Action"], trust["Principal"]) == ("Allow", "sts:AssumeRole", {"AWS": {"Fn::GetAtt": [api, "Arn"]}})
    assert role["MaxSessionDuration"] == 3600
    used = {
        name: json.dumps(one["Properties"]["Role"])
        for part in prod.templates
        for name, one in prod.of(part, "AWS::Lambda::Function").items()
        if api in json.dumps(one["Properties"]["Role"])
    }
    assert [name.startswith("ApiFunction") for name in used] == [True], used


def test_the_role_can_do_what_a_session_policy_gives_and_no_more(prod: Assembly) -> None:
    items = next(one for one in tenant_statements(prod) if "dynamodb:GetItem" in one["Action"])
    objects = next(one for one in tenant_statements(prod) if "s3:GetObject" in one["Action"])
    assert set(items["Action"]) == set(ITEM_ACTIONS)
    assert set(objects["Action"]) == set(OBJECT_ACTIONS)
    assert items["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["TENANT#*"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


# --- what is given -------------------------------------------------------------------------------------------------------------


def test_a_key_that_is_given_encrypts_everything_and_none_is_made() -> None:
    given = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
    made = synthesised("dev", kms_key_arn=given)
    assert made.of("Data", "AWS::KMS::Key") == {}
    assert only(made, "AWS::DynamoDB::Table")["SSESpecification"]["KMSMasterKeyId"] == given
    assert (
        archive(made)["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]
        == given
    )
    assert all(one["Properties"]["KmsKeyId"] == given for one in made.of("Data", "AWS::SecretsManager::Secret").values())


def test_the_outputs_are_those_that_others_read(stage: Assembly) -> None:
    wanted = {
        "TableName",
        "BucketName",
        "KeysSecretArn",
        "MediaSecretArn",
        "UserPoolId",
        "UserPoolClientId",
        "KeyArn",
        "TenantAccessRoleArn",
    }
    assert wanted <= set(stage.templates["Data"]["Outputs"])


def test_the_sign_in_page_sends_people_back_to_the_console_alone() -> None:
    client = only(synthesised("prod", cognito_domain_prefix="acme-nexus"), "AWS::Cognito::UserPoolClient")
    assert client["CallbackURLs"] == client["LogoutURLs"] == ["https://console.example.com/"]
    assert client["AllowedOAuthFlows"] == ["code"]
    assert client["AllowedOAuthScopes"] == ["openid"], "with another scope beside it the token holds only what that one names"
    assert "custom:tenant_id" in client["ReadAttributes"] and "custom:tenant_id" not in client["WriteAttributes"]


def test_a_sign_in_page_without_a_console_is_refused() -> None:
    with pytest.raises(SettingsError, match="cognito_domain_prefix needs console_domain"):
        stage_settings("prod", {"cognito_domain_prefix": "acme-nexus"})


def test_in_dev_without_a_console_of_its_own_name_the_page_leads_home_and_the_deployed_console_sends_nobody_there() -> None:
    dev = synthesised("dev", cognito_domain_prefix="acme-nexus")
    assert only(dev, "AWS::Cognito::UserPoolClient")["CallbackURLs"] == ["http://localhost:8000/"]
    assert "OIDC_SCOPES" not in json.dumps(dev.templates["Control"])
