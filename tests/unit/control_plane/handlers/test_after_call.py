"""An object of the archive becomes a finished call; of a batch only what must come again goes back."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from nexus.adapters.aws import AwsStores
from nexus.adapters.aws.xray import xray_id
from nexus.domain.call_spans import call_spans
from nexus.domain.session import SessionRecord
from nexus.domain.trace import trace_id_of
from nexus.ports.sessions import SessionFilter
from tests.aws import client
from tests.fakes.control_plane import finished_call, private_of
from tests.fakes.gemini_server import GeminiServer, gemini_server, text
from tests.fakes.gemini_server import Turn as Answer
from tests.fakes.lambda_events import Context, object_created, s3_notification, sqs_batch
from tests.unit.control_plane.handlers.conftest import Deployment, Door, in_a_thread
from tests.unit.control_plane.handlers.test_api import shop_with_key

LEAD = {
    "customer_name": "Dana",
    "customer_phone": "+493055501234",
    "core_intent": "booking",
    "sentiment": "positive",
    "call_outcome": "booking_made",
    "key_topics": [],
    "follow_up_required": False,
    "summary": "Dana booked.",
    "evidence": [{"field": "customer_phone", "turn": 0}],
}


def archived(deployment: Deployment, at: int = 0, tenant_id: str = "corner_shop") -> tuple[SessionRecord, str]:
    """A call in the archive, and the name of its object."""
    record = finished_call(at, tenant_id)

    async def put(stores: AwsStores) -> None:
        await stores.archive.put(record, private_of(record))

    deployment.with_stores(put)
    return record, f"sessions/tenant_id={tenant_id}/dt=2026-11-20/{record.id}.json.gz"


def created(deployment: Deployment, key: str) -> str:
    return json.dumps(object_created(deployment.place.bucket, key))


def handled(deployment: Deployment, *bodies: str, received: int = 1) -> list[str]:
    """The messages that go back."""
    answer = deployment.load("after_call").handler(sqs_batch(*bodies, received=received), Context("nexus-after-call"))
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


async def _kept(record: SessionRecord, stores: AwsStores) -> tuple[Any, Any, Any]:
    rows = await stores.sessions.list(record.tenant_id, SessionFilter(), limit=9)
    lead = await stores.leads.get(record.tenant_id, record.id)
    deliveries = await stores.documents.list(record.tenant_id, "", limit=500)
    return rows, lead, deliveries


def test_an_archived_call_is_found_read_counted_and_told(deployment: Deployment) -> None:
    door = Door(deployment.load("api"))
    shop_with_key(deployment, door)
    admin = deployment.person("tenant_admin", tenant_id="corner_shop")
    hook = {"url": "https://hooks.example.com/nexus"}
    assert door.ask("POST", "/v1/tenants/corner_shop/webhooks", hook, authorization=admin)[0] == 201
    record, key = archived(deployment)
    with in_a_thread(partial(gemini_server, text(json.dumps(LEAD)))) as gemini:
        use(deployment, gemini)
        for _ in range(2):  # the queue delivers at least once
            assert handled(deployment, created(deployment, key)) == []
        assert len(gemini.requests) == 1 and gemini.violations == []
    rows, lead, documents = deployment.with_stores(partial(_kept, record))
    assert [(row.call_id, row.outcome) for row in rows] == [(record.id, "booking_made")]
    assert (lead.lead.customer_phone, lead.model) == ("+493055501234", "gemini:gemini-3.8-flash")
    assert [(row["call_id"], row["outcome"], row["sentiment"]) for row in deployment.analytics()] == [
        (record.id, "booking_made", "positive")
    ]
    events = [one.body["type"] for one in documents if one.key.startswith("event/")]
    assert sorted(events) == ["call.analyzed", "call.artifacts_ready", "call.ended"]


def test_a_finished_calls_trace_is_in_xray(deployment: Deployment) -> None:
    deployment.patch.setenv("TRACES", "xray")
    record, key = archived(deployment, 4)
    assert handled(deployment, created(deployment, key)) == []
    trace_id = xray_id(trace_id_of(record.id))
    (found,) = client("xray", "").batch_get_traces(TraceIds=[trace_id])["Traces"]
    segments = {told["name"]: told for told in (json.loads(one["Document"]) for one in found["Segments"])}
    assert set(segments) == {"nexus-api", "nexus-media", "nexus-after-call"}
    assert segments["nexus-after-call"]["parent_id"] == segments["nexus-media"]["parent_id"] == segments["nexus-api"]["id"]
    assert segments["nexus-api"]["annotations"]["session_id"] == record.id


def test_where_xray_takes_nothing_calls_are_finished_and_it_is_counted(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    deployment.patch.setenv("TRACES", "xray")
    deployment.patch.setenv("AWS_ENDPOINT_URL_XRAY", "http://127.0.0.1:1")
    record, key = archived(deployment, 5)
    assert handled(deployment, created(deployment, key)) == []
    _, lead, _ = deployment.with_stores(partial(_kept, record))
    assert lead is not None
    (counted,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"SpansDropped"' in line]
    assert counted["SpansDropped"] == [float(len(call_spans(record)) + 1)]


def test_of_a_batch_only_the_poison_goes_back(deployment: Deployment) -> None:
    record, key = archived(deployment)
    foreign = json.dumps(object_created("another-bucket", key))
    bodies = ("{ not json", created(deployment, key), '{"detail-type": "Object Created", "detail": {}}', foreign, "[1]")
    assert handled(deployment, *bodies) == ["m0", "m2", "m4"]
    rows, lead, _ = deployment.with_stores(partial(_kept, record))
    assert len(rows) == 1 and lead is not None


def test_objects_that_are_no_sessions_and_calls_that_are_gone_are_done_with(deployment: Deployment) -> None:
    record, key = archived(deployment)
    names = (f"media/tenant_id=corner_shop/dt=2026-11-20/{record.id}/mix.wav", key + ".tmp", "sessions/tenant_id=../dt=x/y.json.gz")
    gone = key.replace("corner_shop", "corner_shop2")
    assert handled(deployment, *(created(deployment, name) for name in (*names, gone))) == []
    assert deployment.with_stores(partial(_kept, record))[0] == ()


def test_s3s_own_notification_names_the_call_too(deployment: Deployment) -> None:
    record, key = archived(deployment)
    body = json.dumps(s3_notification(deployment.place.bucket, key.replace("=", "%3D")))
    assert handled(deployment, body, json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})) == []
    assert deployment.with_stores(partial(_kept, record))[1] is not None


def test_a_fault_that_may_pass_goes_back_and_at_last_leaves_a_failed_item(deployment: Deployment) -> None:
    shop_with_key(deployment, Door(deployment.load("api")))
    record, key = archived(deployment)
    with in_a_thread(partial(gemini_server, *[Answer(status=503)] * 6)) as gemini:
        use(deployment, gemini)
        assert handled(deployment, created(deployment, key)) == ["m0"]
        assert handled(deployment, created(deployment, key), received=3) == []
    door, admin = Door(deployment.load("api")), deployment.person("tenant_admin", tenant_id="corner_shop")
    _, listed, _ = door.ask("GET", "/v1/tenants/corner_shop/failed-items", authorization=admin)
    assert [(one["session_id"], one["step"]) for one in listed["data"]] == [(record.id, "lead")]
    assert door.ask("POST", "/v1/tenants/corner_shop/failed-items:redrive", {}, authorization=admin)[0] in (200, 202)
    woken = deployment.queued()
    assert woken == [{"tenant_id": "corner_shop", "call_id": record.id}]
    with in_a_thread(partial(gemini_server, text(json.dumps(LEAD)))) as gemini:
        use(deployment, gemini)
        assert handled(deployment, json.dumps(woken[0])) == []
    assert deployment.with_stores(partial(_kept, record))[1].status == "done"


def use(deployment: Deployment, gemini: GeminiServer) -> None:
    """The next cold start reads calls with this model."""
    deployment.keys(gemini_api_key=gemini.key)
    deployment.patch.setenv("GEMINI_BASE_URL", gemini.base_url)
