"""The run through a real account: time, money and cleaning up as promised; steps against AWS in process where it is able."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from moto import mock_aws

from infra.constructs.media_scaling import FREE, UTILISATION
from infra.settings import stage_settings
from nexus.adapters.aws.connection import AwsPlace, Connection
from nexus.adapters.aws.schema import create_bucket, create_table
from nexus.adapters.aws.xray import XRayTraces
from nexus.domain.call_spans import call_spans, lead_span
from scripts.smoke_aws import data_steps, media_steps
from scripts.smoke_aws.__main__ import STEPS, bounds, main, run
from scripts.smoke_aws.account import DOMAIN, RealAccount, own_certificate
from scripts.smoke_aws.course import Bounds, Finding, NotShown, NotTried, Step, TooLong, Undo, alarm, course, plan
from tests.fakes.stored import analysis, call_id, record

ROOT = Path(__file__).parents[2]
QUICK = Bounds(steps_s=60, undo_s=5, hourly_usd=0)
REGION = "eu-west-1"


class Paper:
    """An account of which nothing is asked."""

    def __init__(self) -> None:
        self.undo = Undo()
        self.number = "111122223333"
        self.region = REGION
        self.gpu = False
        self.done: list[str] = []

    def make(self, name: str) -> None:
        self.undo.later(name, lambda: self.done.append(f"unmade {name}"))
        self.done.append(name)


def step(name: str, does: Any, *, limit_s: int = 5, stops: bool = False) -> Step:
    return Step(name, f"shows {name}", does, limit_s, 0.5, stops)


def makes(name: str) -> Step:
    return step(name, lambda at: at.make(name) or "fine")


def fails(error: BaseException) -> Step:
    def does(at: Paper) -> str:
        at.make("half")
        raise error

    return step("fails", does)


def outcomes(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.name, one.outcome) for one in found]


# --- the course --------------------------------------------------------------------------------------------------------------


def test_what_was_made_is_unmade_the_newest_first() -> None:
    at = Paper()
    found = course([makes("a"), makes("b")], at, lambda _: None, QUICK)
    assert outcomes(found) == [("a", "shown"), ("b", "shown")]
    assert at.done == ["a", "b", "unmade b", "unmade a"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(NotShown("x"), "not shown"), (NotTried("x"), "not tried"), (RuntimeError("x"), "not shown"), (TooLong("x"), "not shown")],
)
def test_a_step_that_fails_keeps_neither_the_next_nor_the_cleaning(error: Exception, outcome: str) -> None:
    at = Paper()
    found = course([fails(error), makes("b")], at, lambda _: None, QUICK)
    assert outcomes(found) == [("fails", outcome), ("b", "shown")]
    assert at.done[-2:] == ["unmade b", "unmade half"]


def test_an_interruption_cleans_up_before_it_goes_on() -> None:
    at = Paper()
    with pytest.raises(KeyboardInterrupt):
        course([makes("a"), fails(KeyboardInterrupt())], at, lambda _: None, QUICK)
    assert at.done == ["a", "half", "unmade half", "unmade a"]


def test_what_cannot_be_unmade_is_named_and_the_rest_goes() -> None:
    at, told = Paper(), list[str]()

    def stays() -> None:
        raise RuntimeError("in use")

    at.undo.later("first", lambda: at.done.append("unmade first"))
    at.undo.later("stubborn", stays)
    course([], at, told.append, QUICK)
    assert at.done == ["unmade first"]
    assert any(line.startswith("LEFT THERE stubborn") and "in use" in line for line in told)


def test_a_step_that_hangs_is_broken_off() -> None:
    at, began = Paper(), time.monotonic()
    found = course([step("hangs", lambda _: time.sleep(60), limit_s=1), makes("b")], at, lambda _: None, QUICK)
    assert outcomes(found) == [("hangs", "not shown"), ("b", "shown")]
    assert "within 1 s" in found[0].told
    assert time.monotonic() - began < 30


def test_after_the_time_of_the_run_nothing_is_begun() -> None:
    at = Paper()
    found = course([makes("a")], at, lambda _: None, Bounds(steps_s=0, undo_s=5, hourly_usd=0))
    assert outcomes(found) == [("a", "not tried")]
    assert at.done == []


def test_where_the_stacks_do_not_stand_nothing_else_is_tried() -> None:
    at = Paper()

    def does(_: Paper) -> str:
        raise NotTried("taken")

    assert outcomes(course([step("deploy", does, stops=True), makes("b")], at, lambda _: None, QUICK)) == [("deploy", "not tried")]


def test_the_alarm_is_off_afterwards() -> None:
    with alarm(1):
        pass
    with pytest.raises(TooLong), alarm(1):
        time.sleep(5)


# --- what it says before -----------------------------------------------------------------------------------------------------


def test_the_plan_asks_nothing_of_aws_and_tells_time_and_money(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--plan"]) == 0
    said = capsys.readouterr().out
    assert all(f" {one.name} " in said for one in STEPS)
    assert re.search(r"At most 2\d\d minutes .*, and \d+\.\d\d USD", said)


def test_money_counts_what_stands_for_the_whole_time() -> None:
    told = plan([makes("a")], Bounds(steps_s=7200, undo_s=3595, hourly_usd=10.0))
    assert "At most 60 minutes with the cleaning up, and 10.50 USD" in told  # five seconds of step, and the hour of cleaning up


def test_a_run_has_an_end_and_a_price() -> None:
    for gpu, most_usd in ((False, 15), (True, 70)):
        told = plan(STEPS, bounds(gpu=gpu))
        assert float(re.search(r"and ([\d.]+) USD", told)[1]) < most_usd  # type: ignore[index]


@pytest.mark.parametrize("answer", ["", "yes", "y", "111122223334"])
def test_nothing_is_made_without_the_accounts_number(answer: str) -> None:
    at = Paper()
    assert run([makes("a")], at, lambda _: answer, lambda _: None) == 2  # type: ignore[arg-type]
    assert at.done == []


def test_with_the_number_it_runs_and_its_code_tells_how_it_went() -> None:
    for steps, code in (([makes("a")], 0), ([makes("a"), fails(NotShown("x"))], 1), ([fails(NotTried("x"))], 1)):
        assert run(steps, Paper(), lambda _: " 111122223333 ", lambda _: None) == code  # type: ignore[arg-type]


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(SystemExit):
        main(["--plan", "--only", "leading-kys"])


def test_the_page_and_the_script_have_the_same_steps() -> None:
    rows = re.findall(r"(?m)^\| `([a-z-]+)` \|", (ROOT / "docs" / "unproven.md").read_text())
    assert sorted(rows) == sorted(one.name for one in STEPS)
    assert len(set(rows)) == len(rows)


# --- steps, against AWS in process and the emulator -------------------------------------------------------------------------


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[RealAccount]:
    for name, value in (("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_DEFAULT_REGION", REGION)):
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield RealAccount(REGION)


def test_a_step_without_its_stack_is_not_tried(account: RealAccount) -> None:
    for one in STEPS[1:]:
        with pytest.raises(NotTried):
            one.run(account)


def test_a_stage_that_stands_already_is_left_alone(emulator_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_ENDPOINT_URL", emulator_url)):
        monkeypatch.setenv(name, value)
    account = RealAccount(REGION)
    template = json.dumps({"Resources": {"A": {"Type": "AWS::SQS::Queue"}}})
    account.client("cloudformation").create_stack(StackName="Nexus-dev-Data", TemplateBody=template)
    with pytest.raises(NotTried, match="Nexus-dev-Data"):
        data_steps.deploy(account)
    assert account.undo.todo == []


def test_the_certificate_is_for_the_name_that_callers_look_for(account: RealAccount) -> None:
    made = x509.load_pem_x509_certificate(own_certificate(ec.generate_private_key(ec.SECP256R1())))
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [DOMAIN]
    arn = account.certificate_arn()
    assert account.certificate_arn() == arn
    told = account.settings()
    assert f"-c media_certificate_arn={arn}" in told
    assert stage_settings("dev", dict(one.split("=", 1) for one in told.split() if one != "-c")).media_domain == DOMAIN
    course([], account, lambda _: None, QUICK)
    assert account.client("acm").list_certificates()["CertificateSummaryList"] == []


def test_what_the_console_needs_of_a_pool_to_sign_people_in_is_asked_of_it() -> None:
    page = "https://nexus-smoke-1.auth.eu-west-1.amazoncognito.com"
    described = {f"{name}_endpoint": f"{page}/{name}" for name in ("authorization", "token", "end_session")}
    data_steps.check_description(described, {"access-control-allow-origin": "*"}, page)
    with pytest.raises(NotShown, match="pages of another origin"):
        data_steps.check_description(described, {}, page)
    with pytest.raises(NotShown, match="end_session_endpoint"):
        data_steps.check_description({**described, "end_session_endpoint": ""}, {"access-control-allow-origin": "*"}, page)


def test_switches_of_the_table_are_read_from_the_table(account: RealAccount) -> None:
    create_table(account.client("dynamodb"), "items")
    account.outputs["TableName"] = "items"
    with pytest.raises(NotShown, match="DISABLED"):
        data_steps.table_switches(account)
    account.client("dynamodb").update_continuous_backups(
        TableName="items", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    assert "recovery" in data_steps.table_switches(account)


def test_leading_keys_are_not_shown_by_what_lets_everything_pass(account: RealAccount) -> None:
    """AWS in process evaluates no condition: the step says so, and takes its role away again."""
    create_table(account.client("dynamodb"), "items")
    create_bucket(boto3.client("s3", region_name="us-east-1"), "archive")
    iam = account.client("iam")
    iam.create_role(RoleName="tenants", AssumeRolePolicyDocument="{}")
    rule = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}]}
    iam.put_role_policy(RoleName="tenants", PolicyName="p", PolicyDocument=json.dumps(rule))
    account.outputs |= {"TableName": "items", "BucketName": "archive", "TenantAccessRoleArn": "arn:aws:iam::1:role/tenants"}
    with pytest.raises(NotShown, match="TENANT#smoke_shop2#LEADS, TENANT#other#LEADS, FLEET#main"):
        data_steps.leading_keys(account)
    course([], account, lambda _: None, QUICK)
    assert [one["RoleName"] for one in iam.list_roles()["Roles"]] == ["tenants"]


async def test_a_calls_trace_is_found_as_it_was_sent(account: RealAccount) -> None:
    with pytest.raises(NotTried, match="no call"):
        data_steps.call_in_xray(account)
    connection = Connection(AwsPlace(table="", bucket="", region=REGION, workers=1))
    await XRayTraces(connection).export((*call_spans(record(3)), lead_span(analysis(3))))
    connection.close()
    account.outputs["FinishedCalls"] = call_id(3)
    assert data_steps.call_in_xray(account).endswith(": nexus-after-call, nexus-api, nexus-media")


def test_metrics_are_those_that_scaling_looks_at(account: RealAccount) -> None:
    account.media_image = "nexus-media:0.1.0"
    data = [
        {"MetricName": name, "Dimensions": [{"Name": "Fleet", "Value": "main"}], "Value": 50.0, "Timestamp": datetime.now(UTC)}
        for name in (UTILISATION, FREE)
    ]
    account.client("cloudwatch").put_metric_data(Namespace="Nexus/Media", MetricData=data)
    assert re.fullmatch(f"{UTILISATION}: 1 points .*, {FREE}: 1 points .*", media_steps.metrics(account))
