"""A spoken call over what is deployed: from the ticket to the row that SQL finds."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.softphone import CallReport, Patience, Script, SoftPhone
from nexus.domain.session import SessionRecord
from tests.e2e_aws.conftest import TENANT
from tests.e2e_aws.deployment import Deployment, until
from tests.e2e_aws.media import MediaTask
from tests.fakes.ecs_agent import EcsAgent
from tests.fakes.gemini_server import GeminiServer, text
from tests.fakes.lambda_events import scheduled
from tests.fakes.webhook_receiver import Receiver, signature_holds

pytestmark = pytest.mark.speech
SPEECH = Path(__file__).parents[1] / "golden" / "speech"
PHONE = "2125550147"
LEAD = {
    "customer_name": "Dana Smith",
    "customer_phone": f"+1{PHONE}",
    "core_intent": "booking",
    "sentiment": "positive",
    "call_outcome": "booking_made",
    "key_topics": [],
    "follow_up_required": False,
    "summary": "Dana booked a haircut.",
    "evidence": [{"field": "customer_phone", "turn": 5}],
}


@pytest.fixture(scope="module")
def report(
    deployment: Deployment, media: MediaTask, key: str, agent: EcsAgent, gemini: GeminiServer, webhook: dict[str, Any]
) -> CallReport:
    """The call: a haircut is booked by voice; Gemini reads it afterwards; the shop has a webhook."""
    gemini.turns.append(text(json.dumps(LEAD)))
    with deployment.api(key) as api:
        answer = api.post(f"/v1/tenants/{TENANT}/calls", json={}, headers={"Idempotency-Key": os.urandom(8).hex()})
    assert answer.status_code == 201, answer.text
    call = answer.json()
    phone = SoftPhone(f"{media.url}/v1/calls/{call['id']}", call["websocket"]["ticket"], patience=Patience(pause_ms=700))
    said = tuple(SPEECH / f"caller_{part}.wav" for part in ("book_haircut", "name", "phone", "yes", "goodbye"))
    return asyncio.run(_protected(phone.call(Script(wavs=said)), agent))


async def _protected(calling: Any, agent: EcsAgent) -> CallReport:
    """While the call lives its task may not be scaled in."""
    call = asyncio.create_task(calling)
    await asyncio.to_thread(agent.wait_for, 1)
    assert agent.protected, "the task is not protected while a call lives"
    report: CallReport = await call
    return report


def test_the_agent_books_and_hangs_up(report: CallReport) -> None:
    assert report.end_reason == "agent_hangup", report
    assert "book_appointment: done" in report.tools, report
    assert report.errors == () and report.heard_ms > 10_000


def test_the_task_may_be_scaled_in_again(report: CallReport, agent: EcsAgent) -> None:
    until("the task's protection is not taken off", 30, lambda: not agent.protected)


def test_the_record_lies_in_the_archive(deployment: Deployment, report: CallReport) -> None:
    s3, bucket = deployment.aws("s3"), deployment.outputs["BucketName"]

    def found() -> list[str]:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"sessions/tenant_id={TENANT}/").get("Contents", [])
        return [one["Key"] for one in listed if report.call_id in one["Key"]]

    (object_key,) = until("the record is not in the archive", 20, found)
    assert f"/dt={datetime.now(UTC):%Y-%m-%d}/" in object_key
    body = gzip.decompress(s3.get_object(Bucket=bucket, Key=object_key)["Body"].read())
    record = SessionRecord.model_validate_json(body)
    assert (record.id, record.status, record.end_reason) == (report.call_id, "completed", "agent_hangup")
    assert PHONE not in body.decode() and "555-0147" not in body.decode(), "what is archived holds a number in the clear"


def test_the_lead_is_read_by_the_function(deployment: Deployment, report: CallReport, key: str, gemini: GeminiServer) -> None:
    with deployment.api(key) as api:

        def found() -> Any:
            listed = api.get(f"/v1/tenants/{TENANT}/leads").json()["data"]
            return [one for one in listed if one["session_id"] == report.call_id]

        (lead,) = until(f"no lead was read; the functions say: {deployment.logs()[-1500:]}", 90, found)
        session = api.get(f"/v1/tenants/{TENANT}/sessions/{report.call_id}")
    assert (lead["lead"]["customer_name"], lead["lead"]["call_outcome"]) == ("Dana Smith", "booking_made")
    assert session.status_code == 200 and session.json()["status"] == "completed"
    assert gemini.violations == [] and len(gemini.requests) == 1


def test_the_shop_is_told_of_its_call(
    deployment: Deployment, report: CallReport, webhook: dict[str, Any], crm: Receiver, owner: str
) -> None:
    """Signed with the secret that was told when the webhook was made."""
    wanted = {"call.ended", "call.artifacts_ready", "call.analyzed"}

    def body_ids(event: dict[str, Any]) -> set[str]:
        return {str(event["data"].get(name)) for name in ("id", "session_id")}

    def arrived() -> dict[str, tuple[dict[str, str], bytes]]:
        _by_the_clock(deployment)
        told = [(json.loads(body), headers, body) for _, headers, body in [*crm.requests]]
        found = {event["type"]: (headers, body) for event, headers, body in told if report.call_id in body_ids(event)}
        return found if set(found) >= wanted else {}

    found = until(f"the webhooks did not arrive; the functions say: {deployment.logs()[-1500:]}", 120, arrived)
    for headers, body in found.values():
        assert signature_holds(headers, body, webhook["secret"]), "the signature is not that of the webhook's secret"
        assert not signature_holds(headers, body + b" ", webhook["secret"])
        assert json.loads(body)["id"] == headers["webhook-id"]
    assert json.loads(found["call.analyzed"][1])["data"]["lead"]["call_outcome"] == "booking_made"
    with deployment.api(owner) as api:
        logged = api.get(f"/v1/tenants/{TENANT}/webhooks/{webhook['id']}/deliveries").json()["data"]
    assert {one["type"] for one in logged if one["status"] == "delivered"} >= wanted
    assert len(crm.requests) == len({headers["webhook-id"] for _, headers, _ in crm.requests}), "one was delivered twice"


def test_sql_finds_the_row_within_minutes(deployment: Deployment, report: CallReport) -> None:
    columns, where = "call_id, status, outcome, tool_calls", f"tenant_id = '{TENANT}' AND call_id = '{report.call_id}'"
    sql = f"SELECT {columns} FROM sessions WHERE {where}"  # noqa: S608 - both are the test's own
    (row,) = until("no row", 300, lambda: _query(deployment, sql))
    assert row[:3] == [report.call_id, "completed", "booking_made"] and int(row[3]) >= 1


def test_what_the_functions_wrote_holds_nothing_secret(
    deployment: Deployment, report: CallReport, key: str, operator: str, webhook: dict[str, Any]
) -> None:
    written = deployment.logs()
    held = [value for name in ("KeysSecretArn", "MediaSecretArn") for value in deployment.secret(name).values() if value]
    for secret in (key, operator, webhook["secret"], PHONE, "Dana", *map(str, held)):
        assert secret not in written, f"the logs hold {secret[:6]}…"
    assert '"level":"ERROR"' not in written


def _by_the_clock(deployment: Deployment) -> None:
    """Call what the rule of each minute names, with what it sends. The emulator may do so too: whoever is second finds nothing due."""
    rules = deployment.aws("events")
    (rule,) = [one for one in rules.list_rules()["Rules"] if "WebhooksSchedule" in one["Name"]]
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 minute)", "ENABLED")
    (target,) = rules.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    answer = deployment.aws("lambda").invoke(FunctionName=target["Arn"], Payload=json.dumps(scheduled("webhooks")))
    assert "FunctionError" not in answer, answer["Payload"].read()[:2000]


def _query(deployment: Deployment, sql: str) -> list[list[str]]:
    athena = deployment.aws("athena")
    started = athena.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": deployment.outputs["GlueDatabase"]},
        WorkGroup=deployment.outputs["OperatorWorkgroup"],
    )["QueryExecutionId"]

    def state() -> str:
        told: str = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]["State"]
        return "" if told in ("QUEUED", "RUNNING") else told

    if until("the query does not end", 30, state) != "SUCCEEDED":
        return []
    rows = athena.get_query_results(QueryExecutionId=started)["ResultSet"]["Rows"][1:]
    return [[one.get("VarCharValue", "") for one in row["Data"]] for row in rows]
