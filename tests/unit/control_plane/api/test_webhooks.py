"""Webhooks at the door: a tenant names a receiver, and signed messages arrive at a real port."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from control_plane.services.webhook_book import MOST_WEBHOOKS
from control_plane.wiring import AfterOutside, Stores
from nexus.adapters.webhook_sender import HttpWebhookSender, SendingRules
from nexus.domain.session import RecordingTrace
from nexus.domain.webhook import MOST_ATTEMPTS
from tests.fakes.control_plane import House, house
from tests.fakes.later_clock import LaterClock
from tests.fakes.webhook_receiver import Receiver, receiver, signature_holds

TENANT = "/v1/tenants/barber_shop"
HOOKS = f"{TENANT}/webhooks"


@pytest.fixture
async def home(stores: Stores) -> AsyncIterator[House]:
    after = AfterOutside(sender=HttpWebhookSender(SendingRules(loopback=True, deadline_s=5.0)))
    made = house(stores, clock=LaterClock(), after=after)
    async with made.client:
        yield made


@pytest.fixture
async def crm() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


async def name(home: House, crm: Receiver, **body: Any) -> dict[str, Any]:
    answer = await home.client.post(HOOKS, json={"url": crm.url, **body})
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def deliver(home: House, after: timedelta = timedelta()) -> None:
    home.clock.advance(after)  # type: ignore[attr-defined]
    await home.plane.courier.deliver_due("barber_shop")


async def deliveries(home: House, hook: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await home.client.get(f"{HOOKS}/{hook['id']}/deliveries")).json()["data"]
    return rows


async def test_a_finished_call_is_told_in_three_signed_messages(home: House, crm: Receiver) -> None:
    hook = await name(home, crm)
    assert hook["secret"].startswith("whsec_") and hook["events"] == ["call.ended", "call.artifacts_ready", "call.analyzed"]
    record = await home.archived(1)
    await deliver(home)
    events = {event["type"]: event for event in crm.events()}
    assert set(events) == set(hook["events"]) and len(crm.requests) == 3
    assert events["call.ended"]["data"]["id"] == record.id and events["call.ended"]["data"]["duration_ms"] == 61_000.0
    assert events["call.analyzed"]["data"]["lead"]["customer_name"] == "Dana"
    assert events["call.artifacts_ready"]["data"]["artifacts"][1]["path"] == f"{TENANT}/sessions/{record.id}/transcript"
    for first, headers, body in crm.requests:
        assert first == "POST /hooks HTTP/1.1" and headers["content-type"] == "application/json"
        assert headers["webhook-id"] == json.loads(body)["id"] and signature_holds(headers, body, hook["secret"])
    rows = await deliveries(home, hook)
    assert [(row["status"], [one["status"] for one in row["attempts"]]) for row in rows] == [("delivered", [204])] * 3
    for row in rows:
        assert (await home.client.get(events["call.artifacts_ready"]["data"]["artifacts"][1]["path"])).status_code == 200
        assert row["id"] in {event["id"] for event in events.values()}


async def test_a_recording_is_told_of_once_it_can_be_fetched(home: House, crm: Receiver) -> None:
    await name(home, crm)
    stored = RecordingTrace(status="stored", media_type="audio/ogg", channels=2, sample_rate_hz=16_000, duration_ms=60_000.0, bytes=4)
    await home.archived(1, recording=stored)
    await home.archived(2, recording=RecordingTrace(status="refused"))
    await deliver(home)
    told = [event["data"] for event in crm.events() if event["type"] == "call.artifacts_ready"]
    kinds = {data["session_id"]: [one["kind"] for one in data["artifacts"]] for data in told}
    assert sorted(kinds.values()) == [["record", "transcript"], ["record", "transcript", "recording"]]
    assert all(one["path"].endswith("/recording") for data in told for one in data["artifacts"][2:])


async def test_the_secret_is_shown_once_and_lies_nowhere_in_the_clear(home: House, crm: Receiver) -> None:
    hook = await name(home, crm, description="CRM")
    shown = (await home.client.get(f"{HOOKS}/{hook['id']}")).json()
    assert "secret" not in shown and shown["secrets"] == [{"last4": hook["secret"][-4:], "expires_at": None}]
    assert (await home.client.get(HOOKS)).json()["data"] == [shown]
    kept = await home.stores.documents.list("barber_shop", "", limit=100)
    assert hook["secret"][6:] not in json.dumps([dict(one.body) for one in kept])


async def test_two_secrets_sign_while_one_is_rotated(home: House, crm: Receiver) -> None:
    hook = await name(home, crm)
    rotated = (await home.client.post(f"{HOOKS}/{hook['id']}:rotate", json={"overlap_s": 3600})).json()
    assert rotated["secret"] != hook["secret"] and [bool(one["expires_at"]) for one in rotated["secrets"]] == [False, True]
    await home.client.post(f"{HOOKS}/{hook['id']}:test")
    _, headers, body = crm.requests[-1]
    assert all(signature_holds(headers, body, secret) for secret in (hook["secret"], rotated["secret"]))
    home.clock.advance(timedelta(hours=2))  # type: ignore[attr-defined]
    await home.client.post(f"{HOOKS}/{hook['id']}:test")
    _, headers, body = crm.requests[-1]
    assert not signature_holds(headers, body, hook["secret"]) and signature_holds(headers, body, rotated["secret"])


async def test_what_fails_is_tried_again_under_the_same_id_until_it_arrives(home: House, crm: Receiver) -> None:
    crm.statuses = [500, 302]
    hook = await name(home, crm, events=["call.ended"])
    await home.archived(1)
    await deliver(home)
    await deliver(home)
    assert len(crm.requests) == 1, "it is not due yet"
    await deliver(home, timedelta(seconds=6))
    await deliver(home, timedelta(seconds=67))
    assert len(crm.requests) == 3 and len({headers["webhook-id"] for _, headers, _ in crm.requests}) == 1
    assert len({body for _, _, body in crm.requests}) == 1
    assert len({headers["webhook-timestamp"] for _, headers, _ in crm.requests}) == 3
    (row,) = await deliveries(home, hook)
    assert row["status"] == "delivered" and [one["status"] for one in row["attempts"]] == [500, 302, 204]
    assert (await home.client.get(f"{HOOKS}/{hook['id']}")).json()["failures"] == 0


async def test_a_receiver_that_never_answers_well_is_given_up_and_paused(home: House, crm: Receiver) -> None:
    crm.statuses = [503] * 50
    hook = await name(home, crm, events=["call.ended"])
    async with receiver() as other:
        await name(home, other, events=["webhook.paused"])
        for number in range(2):
            await home.archived(number)
        await deliver(home)
        for _ in range(MOST_ATTEMPTS + 1):
            await deliver(home, timedelta(days=1.2))
        paused = (await home.client.get(f"{HOOKS}/{hook['id']}")).json()
        assert (paused["status"], paused["paused_reason"]) == ("paused", "failing") and paused["failures"] >= 10
        assert [row["status"] for row in await deliveries(home, hook)] == ["failed", "failed"]
        (event,) = other.events()
        assert (event["data"]["webhook_id"], event["data"]["reason"]) == (hook["id"], "failing")
    audit = (await home.client.get(f"{TENANT}/audit-events", params={"operation": "pauseWebhook"})).json()["data"]
    assert [one["object_id"] for one in audit] == [hook["id"]]
    before = len(crm.requests)
    await home.archived(5)
    await deliver(home)
    assert len(crm.requests) == before, "a paused receiver is told of nothing"
    resumed = (await home.client.patch(f"{HOOKS}/{hook['id']}", json={"status": "active"})).json()
    assert (resumed["status"], resumed["failures"], resumed["paused_at"]) == ("active", 0, None)


async def test_a_receiver_that_is_gone_is_paused_at_once(home: House, crm: Receiver) -> None:
    crm.statuses = [410]
    hook = await name(home, crm, events=["call.ended"])
    await home.archived(1)
    await deliver(home)
    assert (await home.client.get(f"{HOOKS}/{hook['id']}")).json()["paused_reason"] == "gone"
    await deliver(home, timedelta(seconds=10))
    assert len(crm.requests) == 1 and (await deliveries(home, hook))[0]["status"] == "failed"


async def test_redelivery_goes_out_again_under_the_same_id(home: House, crm: Receiver) -> None:
    hook = await name(home, crm, events=["call.ended"])
    await home.archived(1)
    await deliver(home)
    (row,) = await deliveries(home, hook)
    path = f"{HOOKS}/{hook['id']}/deliveries/{row['id']}:redeliver"
    assert (await home.client.post(path)).json()["status"] == "pending"
    assert (await home.client.post(path)).status_code == 202
    await deliver(home)
    assert [headers["webhook-id"] for _, headers, _ in crm.requests] == [row["id"]] * 2
    assert len((await deliveries(home, hook))[0]["attempts"]) == 2
    unknown = path.replace(row["id"], "evt_01KAQ2Z3M4N5P6Q7R8S9T0V1W2")
    assert (await home.client.post(unknown)).json()["code"] == "delivery_not_found"


async def test_a_test_says_what_became_of_it(home: House, crm: Receiver) -> None:
    hook = await name(home, crm)
    good = (await home.client.post(f"{HOOKS}/{hook['id']}:test")).json()
    assert (good["status"], good["type"], good["attempts"][0]["status"]) == ("delivered", "webhook.test", 204)
    crm.statuses = [404]
    bad = (await home.client.post(f"{HOOKS}/{hook['id']}:test")).json()
    assert (bad["status"], bad["next_attempt_at"], bad["attempts"][0]["status"]) == ("failed", None, 404)


async def test_a_deleted_receiver_is_told_of_nothing(home: House, crm: Receiver) -> None:
    hook = await name(home, crm)
    await home.archived(1)
    assert (await home.client.delete(f"{HOOKS}/{hook['id']}")).status_code == 204
    await deliver(home)
    assert crm.requests == []
    assert (await home.client.get(f"{HOOKS}/{hook['id']}")).json()["code"] == "webhook_not_found"


async def test_deliveries_are_paged(home: House, crm: Receiver) -> None:
    hook = await name(home, crm, events=["call.ended"])
    for number in range(3):
        await home.archived(number)
    first = (await home.client.get(f"{HOOKS}/{hook['id']}/deliveries?limit=2")).json()
    rest = (await home.client.get(f"{HOOKS}/{hook['id']}/deliveries", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    ids = [row["id"] for row in (*first["data"], *rest["data"])]
    assert ids == sorted(ids, reverse=True) and len(set(ids)) == 3 and not rest["has_more"]


async def test_one_tenants_receivers_are_not_anothers(home: House, crm: Receiver) -> None:
    hook = await name(home, crm)
    for path in (f"/webhooks/{hook['id']}", f"/webhooks/{hook['id']}/deliveries"):
        assert (await home.client.get(f"/v1/tenants/pizza_shop{path}")).json()["code"] == "webhook_not_found"
    await home.archived(1, "pizza_shop")
    await home.plane.courier.deliver_due("pizza_shop")
    await deliver(home)
    assert crm.requests == []


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://crm.example.com/", "url_not_allowed"),
        ("https://10.0.0.7/", "url_not_allowed"),
        ("https://169.254.169.254/latest/meta-data", "url_not_allowed"),
        ("https://2852039166/", "url_not_allowed"),
        ("https://[::ffff:10.0.0.1]/", "url_not_allowed"),
        ("https://user:pass@crm.example.com/", "url_not_allowed"),
        ("ftp://crm.example.com/", "url_not_allowed"),
        ("https://crm.example.com/#x", "url_not_allowed"),
        ("https://crm.example.com/\n", "url_not_allowed"),
        ("", "invalid_request"),
    ],
)
async def test_addresses_that_are_refused(home: House, url: str, code: str) -> None:
    answer = await home.client.post(HOOKS, json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_bodies_that_are_refused(home: House, crm: Receiver) -> None:
    for body in ({"url": crm.url, "events": []}, {"url": crm.url, "events": ["call.started"]}, {"url": crm.url, "secret": "whsec_mine"}):
        assert (await home.client.post(HOOKS, json=body)).json()["code"] == "invalid_request"
    for _ in range(MOST_WEBHOOKS):
        await name(home, crm)
    answer = await home.client.post(HOOKS, json={"url": crm.url})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_webhooks")
    assert (await home.client.post("/v1/tenants/nobody_here/webhooks", json={"url": crm.url})).status_code == 404
