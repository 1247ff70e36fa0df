"""Alarms: each measures what the code or AWS tells, reaches somebody, and has its runbook; nothing is looked for that nobody tells."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from infra.observability.alarms import CANARY_NAMESPACE, FUNCTION_NAMESPACE, FUNCTIONS, MEDIA_NAMESPACE, every
from infra.observability.questions import QUESTIONS
from nexus.domain import metrics
from tests.synth import REPOSITORY, Assembly, synthesised
from tests.unit.local.test_documents import anchors

OPERATIONS = (REPOSITORY / "docs" / "operations.md").read_text()
OF_AWS = {
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
    "AWS/ApiGateway": {"Count", "4xx", "5xx", "Latency"},
    "AWS/DynamoDB": {"ReadThrottleEvents", "WriteThrottleEvents", "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"},
    "AWS/Firehose": {"DeliveryToS3.DataFreshness", "FailedConversion.Records"},
    "AWS/ApplicationELB": {"UnHealthyHostCount"},
    "AWS/Lambda": {"Errors", "Throttles"},
}
"""As AWS's documents list them."""
GIVEN_KEY = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-0000-0000-000000000000"


@pytest.fixture
def watched() -> Assembly:
    return synthesised("prod", canary_tenant="demo", canary_minutes=10, monthly_budget_usd=500)


def alarms(of: Assembly) -> dict[str, dict[str, Any]]:
    return {str(one["Properties"]["AlarmName"]): one["Properties"] for one in of.of("Observability", "AWS::CloudWatch::Alarm").values()}


def told_by_functions() -> set[tuple[str, str]]:
    """Function and figure, as the handlers' sources say."""
    found = set()
    for path in (REPOSITORY / "control_plane" / "handlers").glob("*.py"):
        text = path.read_text()
        names = re.findall(r'add_metric\(\s*"(\w+)"', text) + re.findall(r'\("(\w+)", outcome\.\w+\)', text)
        found |= {(path.stem, name) for name in names}
    return found


def test_figures_of_the_media_plane_are_those_of_its_table() -> None:
    asked = {one.metric for one in every() if one.source == "media"}
    assert asked <= set(metrics.BY_NAME)
    assert MEDIA_NAMESPACE == metrics.NAMESPACE
    board = json.dumps(synthesised("prod").of("Observability", "AWS::CloudWatch::Dashboard"))
    shown = set(re.findall(r'\\"Nexus/Media\\",\\"(\w+)\\"', board))
    assert len(shown) > 10 and shown <= set(metrics.BY_NAME)


def test_figures_of_functions_are_those_that_they_tell() -> None:
    from control_plane.handlers.telemetry import NAMESPACE  # noqa: PLC0415 - Powertools, for whom it concerns

    told = told_by_functions()
    assert {(one.of, one.metric) for one in every() if one.source == "function"} <= told
    assert {("canary", one.metric) for one in every() if one.source == "canary"} <= told
    assert FUNCTION_NAMESPACE == NAMESPACE
    assert f'"{CANARY_NAMESPACE}"' in (REPOSITORY / "control_plane" / "handlers" / "canary.py").read_text()


def test_figures_of_aws_are_those_that_it_lists(watched: Assembly) -> None:
    for name, one in alarms(watched).items():
        if str(one["Namespace"]).startswith("AWS/"):
            assert one["MetricName"] in OF_AWS[one["Namespace"]], name


def test_every_alarm_has_a_runbook_and_points_at_it(watched: Assembly) -> None:
    heads = anchors(OPERATIONS)
    assert {one.anchor for one in every()} - heads == set()
    for name, one in alarms(watched).items():
        pointed = re.search(r"docs/operations\.md#([\w-]+)$", one["AlarmDescription"])
        assert pointed and pointed[1] in heads, name


def test_no_runbook_is_of_an_alarm_that_is_gone() -> None:
    section = OPERATIONS.split("\n## Runbooks\n")[1].split("\n## ")[0]
    assert set(re.findall(r"^### (.+)$", section, re.MULTILINE)) - {one.anchor for one in every()} == {"cost"}


def test_every_alarm_reaches_somebody(watched: Assembly) -> None:
    (topic,) = watched.of("Observability", "AWS::SNS::Topic")
    for name, one in alarms(watched).items():
        assert one["AlarmActions"] == one["OKActions"] == [{"Ref": topic}], name
    (subscription,) = watched.of("Observability", "AWS::SNS::Subscription").values()
    assert (subscription["Properties"]["Protocol"], subscription["Properties"]["Endpoint"]) == ("email", "operator@example.com")


def test_what_is_told_is_encrypted_and_those_who_tell_may_use_the_key(watched: Assembly) -> None:
    (topic,) = (one["Properties"] for one in watched.of("Observability", "AWS::SNS::Topic").values())
    (name,) = watched.of("Data", "AWS::KMS::Key")
    assert name in json.dumps(topic["KmsMasterKeyId"])
    (policy,) = watched.of("Observability", "AWS::SNS::TopicPolicy").values()
    (key,) = watched.of("Data", "AWS::KMS::Key").values()
    publish = next(one for one in policy["Properties"]["PolicyDocument"]["Statement"] if one["Sid"] == "Tell")
    use = next(one for one in key["Properties"]["KeyPolicy"]["Statement"] if one.get("Sid") == "Tell")
    assert (publish["Action"], use["Action"]) == ("sns:Publish", ["kms:Decrypt", "kms:GenerateDataKey*"])
    for told in (publish, use):
        assert sorted(told["Principal"]["Service"]) == ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]
    assert publish["Condition"] == use["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_a_key_that_was_given_cannot_silence_an_alarm() -> None:
    made = synthesised("dev", kms_key_arn=GIVEN_KEY)
    (topic,) = made.of("Observability", "AWS::SNS::Topic").values()
    assert "KmsMasterKeyId" not in topic["Properties"]


def test_what_was_promised_is_watched(watched: Assembly) -> None:
    promised = "calls-dropped no-free-slot engine-lag event-loop-lag zombie-leases dead-letters undelivered-events api-faults api-slow"
    assert {f"nexus-prod-{name}" for name in (*promised.split(), "canary-fails", "media-silent")} <= set(alarms(watched))
    assert {f"nexus-prod-function-errors-{name}" for name in FUNCTIONS} <= set(alarms(watched))
    functions = {one["Properties"]["Handler"].split(".")[-2] for one in watched.of("Control", "AWS::Lambda::Function").values()}
    assert functions == set(FUNCTIONS)


def test_one_dropped_call_is_enough(watched: Assembly) -> None:
    told = alarms(watched)["nexus-prod-calls-dropped"]
    assert (told["Threshold"], told["ComparisonOperator"], told["EvaluationPeriods"]) == (0, "GreaterThanThreshold", 1)


def test_silence_of_the_test_call_is_a_failure(watched: Assembly) -> None:
    told = alarms(watched)["nexus-prod-canary-fails"]
    assert (told["TreatMissingData"], told["Period"], told["Threshold"]) == ("breaching", 600, 1)


def test_windows_are_such_as_cloudwatch_takes(watched: Assembly) -> None:
    for name, one in alarms(watched).items():
        assert one["DatapointsToAlarm"] <= one["EvaluationPeriods"], name
        assert one["Period"] % 60 == 0 and one["Period"] * one["EvaluationPeriods"] <= 86400, name


def test_saved_questions_are_asked_of_logs_that_are_there(watched: Assembly) -> None:
    saved = watched.of("Observability", "AWS::Logs::QueryDefinition").values()
    assert len(saved) == len(QUESTIONS) >= 8
    assert all(one["Properties"]["LogGroupNames"] for one in saved)
    figures = re.findall(r"\b(?:sum|max|avg)\((\w+)\)", " ".join(one.text for one in QUESTIONS if one.media))
    assert set(figures) <= set(metrics.BY_NAME) and len(figures) > 3


def test_the_test_call_has_a_key_of_its_own_and_reads_nothing_else(watched: Assembly) -> None:
    (policy,) = watched.of("Observability", "AWS::IAM::Policy").values()
    said = json.dumps(policy["Properties"]["PolicyDocument"])
    assert "CanaryKey" in said
    assert "dynamodb:" not in said and "s3:" not in said


def test_without_a_tenant_for_it_there_is_no_test_call_and_without_a_limit_no_budget() -> None:
    plain = synthesised("prod")
    assert not plain.of("Observability", "AWS::Lambda::Function") and not plain.of("Observability", "AWS::Budgets::Budget")
    assert "nexus-prod-canary-fails" not in alarms(plain)


def test_the_budget_tells_the_same_people(watched: Assembly) -> None:
    (budget,) = (one["Properties"] for one in watched.of("Observability", "AWS::Budgets::Budget").values())
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 500, "Unit": "USD"}
    assert {each["Subscribers"][0]["SubscriptionType"] for each in budget["NotificationsWithSubscribers"]} == {"SNS"}
    assert "budgets.amazonaws.com" in json.dumps(watched.of("Observability", "AWS::SNS::TopicPolicy"))


def test_commands_of_the_operations_document_are_those_of_the_makefile() -> None:
    known = set(re.findall(r"^([a-z][a-z0-9-]*):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    asked = set(re.findall(r"(?:^\s*|`)make ([a-z][a-z0-9-]*)", OPERATIONS, re.MULTILINE))
    assert asked - known == set() and {"deploy", "diff", "bootstrap", "synth"} <= asked
