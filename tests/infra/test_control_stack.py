"""The API's routes are the code's, each function may do what docs/lambda.md says, and a finished call reaches its function."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.synth import REPOSITORY, Assembly, synthesised

MODULES = {
    "Api": "API",
    "Authorizer": "authorizer",
    "AfterCall": "after a call",
    "Webhooks": "webhooks",
    "Jobs": "jobs",
    "Expire": "expiry",
}
"""Logical names of functions, and what docs/lambda.md calls them."""


@pytest.fixture
def prod() -> Assembly:
    return synthesised("prod")


def statements(of: Assembly, function: str) -> list[dict[str, Any]]:
    (policy,) = (one for name, one in of.of("Control", "AWS::IAM::Policy").items() if name.startswith(f"{function}Role"))
    return list(policy["Properties"]["PolicyDocument"]["Statement"])


def allowed(of: Assembly, function: str) -> set[str]:
    actions: set[str] = set()
    for told in statements(of, function):
        actions |= {told["Action"]} if isinstance(told["Action"], str) else set(told["Action"])
    return actions


def documented(function: str) -> dict[str, set[str]]:
    """The row of docs/lambda.md, by column: table, bucket, else."""
    text = (REPOSITORY / "docs" / "lambda.md").read_text().split("## Rights of each function")[1].split("\n## ")[0]
    (row,) = (line.split("|")[1:-1] for line in text.splitlines() if line.startswith(f"| {MODULES[function]} |"))
    return dict(zip(("table", "bucket", "else"), (set(re.findall(r"`([A-Za-z:]+)`", cell)) for cell in row[1:]), strict=True))


@pytest.mark.parametrize("function", MODULES)
def test_a_function_may_do_what_is_documented_and_nothing_else(prod: Assembly, function: str) -> None:
    row, may = documented(function), allowed(prod, function)
    assert {one.removeprefix("dynamodb:") for one in may if one.startswith("dynamodb:")} == row["table"]
    assert {one.removeprefix("s3:") for one in may if one.startswith("s3:")} == row["bucket"]
    others = {one for one in row["else"] if ":" in one and not one.startswith("xray:")}
    beside = {"logs:CreateLogStream", "logs:PutLogEvents", "secretsmanager:GetSecretValue", "kms:Decrypt", "kms:GenerateDataKey"}
    event_source = {f"sqs:{one}" for one in row["else"] if ":" not in one and f"sqs:{one}" in may} | {"sqs:GetQueueUrl"}
    assert may - {one for one in may if one.startswith(("dynamodb:", "s3:", "xray:"))} - beside - event_source == others - beside


def test_the_api_reaches_no_tenants_own_things_under_its_own_role(prod: Assembly) -> None:
    (items,) = (one for one in statements(prod, "Api") if "dynamodb:GetItem" in one["Action"])
    leading = items["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    assert not [one for one in leading if re.search("SESSIONS|LEADS|TOOLS|EFFECTS", one)]
    assert items["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}
    text = json.dumps(statements(prod, "Api"))
    assert "s3:" not in text.replace('"s3.', "")


def test_a_function_reads_the_one_secret_with_its_share_of_the_keys_or_none(prod: Assembly) -> None:
    """Only the API, which signs tickets, reads the one with the private key."""
    read = {}
    for function in MODULES:
        asked = [json.dumps(one["Resource"]) for one in statements(prod, function) if "secretsmanager:GetSecretValue" in one["Action"]]
        (told,) = (one for name, one in prod.of("Control", "AWS::Lambda::Function").items() if name.startswith(f"{function}Function"))
        variable = told["Properties"]["Environment"]["Variables"].get("NEXUS_KEYS_SECRET")
        assert asked == ([json.dumps(variable)] if variable else []), function
        read[function] = [re.sub(r".*GetAtt(\w*Keys).*", r"\1", one) for one in asked]
    assert read == {
        "Api": ["Keys"],
        "Authorizer": ["AuthorizerKeys"],
        "AfterCall": ["ReaderKeys"],
        "Webhooks": [],
        "Jobs": [],
        "Expire": [],
    }


def routes(of: Assembly) -> dict[str, dict[str, Any]]:
    return {one["Properties"]["RouteKey"]: one["Properties"] for one in of.of("Control", "AWS::ApiGatewayV2::Route").values()}


def reaches(key: str, method: str, path: str) -> bool:
    of_method, of_path = key.split(" ")
    pattern = "".join(".+" if part == "{proxy+}" else re.escape(part) for part in re.split(r"(\{proxy\+\})", of_path))
    return of_method in (method, "ANY") and re.fullmatch(pattern, path) is not None


def test_every_operation_of_the_api_has_a_route_and_is_asked_for_a_credential_unless_it_is_public(prod: Assembly) -> None:
    document = json.loads((REPOSITORY / "docs" / "openapi.json").read_text())
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method not in ("get", "put", "post", "patch", "delete"):
                continue
            asked = re.sub(r"\{.*?\}", "x", path)
            found = [told for key, told in routes(prod).items() if reaches(key, method.upper(), asked)]
            assert found, f"{method} {path}"
            # API Gateway takes the most specific of the routes.
            opened = any(told.get("AuthorizationType", "NONE") == "NONE" for told in found)
            assert opened == (not operation.get("security")), f"{method} {path}"


def test_preflights_pass_and_nothing_else_without_a_credential(prod: Assembly) -> None:
    opened = {key for key, told in routes(prod).items() if told.get("AuthorizationType", "NONE") == "NONE"}
    assert {key.split(" ")[0] for key in opened} == {"GET", "OPTIONS"}


def test_the_authorizer_is_asked_by_the_header_authorization_in_the_form_that_it_reads(prod: Assembly) -> None:
    (told,) = (one["Properties"] for one in prod.of("Control", "AWS::ApiGatewayV2::Authorizer").values())
    assert told["AuthorizerPayloadFormatVersion"] == "2.0"
    assert told["EnableSimpleResponses"] is True
    assert told["IdentitySource"] == ["$request.header.Authorization"]
    assert told["AuthorizerResultTtlInSeconds"] <= 60


def test_the_api_is_throttled_and_writes_access_logs_without_paths(prod: Assembly) -> None:
    (stage,) = (one["Properties"] for one in prod.of("Control", "AWS::ApiGatewayV2::Stage").values())
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] > 0
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] > 0
    log = json.loads(stage["AccessLogSettings"]["Format"])
    assert log["route"] == "$context.routeKey"
    assert not [one for one in log.values() if "path" in one.lower()]


def test_functions_that_people_wait_for_start_from_a_snapshot_and_are_called_by_its_alias(prod: Assembly) -> None:
    functions = prod.of("Control", "AWS::Lambda::Function")
    snapshots = {name for name, one in functions.items() if "SnapStart" in one["Properties"]}
    assert {re.sub("Function.*", "", name) for name in snapshots} == {"Api", "Authorizer"}
    (integration,) = {
        json.dumps(one["Properties"]["IntegrationUri"]) for one in prod.of("Control", "AWS::ApiGatewayV2::Integration").values()
    }
    assert "ApiLive" in integration


def test_a_session_that_is_archived_comes_to_its_function_by_the_queue(prod: Assembly) -> None:
    (rule,) = (one["Properties"] for one in prod.of("Control", "AWS::Events::Rule").values() if "EventPattern" in one["Properties"])
    (target,) = rule["Targets"]
    (source,) = (one["Properties"] for one in prod.of("Control", "AWS::Lambda::EventSourceMapping").values())
    assert rule["EventPattern"]["detail"]["object"] == {"key": [{"prefix": "sessions/"}]}
    assert "Calls" in json.dumps(target["Arn"])
    assert "Undelivered" in json.dumps(target["DeadLetterConfig"])
    assert "Calls" in json.dumps(source["EventSourceArn"])
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert 2 <= source["ScalingConfig"]["MaximumConcurrency"] <= 1000
    assert source["BatchSize"] == 10


def test_a_message_comes_again_only_after_the_function_had_its_time(prod: Assembly) -> None:
    (queue,) = (one["Properties"] for one in prod.of("Control", "AWS::SQS::Queue").values() if "RedrivePolicy" in one["Properties"])
    (function,) = (one["Properties"] for name, one in prod.of("Control", "AWS::Lambda::Function").items() if name.startswith("AfterCall"))
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]


def test_schedules_are_those_that_are_documented(prod: Assembly) -> None:
    rates = {
        re.sub("Schedule.*", "", name): one["Properties"]["ScheduleExpression"]
        for name, one in prod.of("Control", "AWS::Events::Rule").items()
        if "ScheduleExpression" in one["Properties"]
    }
    assert rates == {"Webhooks": "rate(1 minute)", "Jobs": "rate(1 minute)", "Expire": "rate(1 hour)"}


def test_the_outputs_are_those_that_others_read(prod: Assembly) -> None:
    assert {"ApiUrl", "CallsQueueUrl", "CallsDeadLetterQueueUrl"} <= set(prod.templates["Control"]["Outputs"])
