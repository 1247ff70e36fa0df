"""On one machine: a call ends, a signed webhook arrives, a row lies in Parquet; and what failed is tried again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import duckdb
import httpx

from local.after_calls import Bells, finish_calls
from local.serve import serving
from local.softphone import Patience, Script, SoftPhone
from nexus.clock import Clock
from nexus.errors import UpstreamError
from tests.fakes.control_plane import finished_call, house, memory_stores, private_of
from tests.fakes.webhook_receiver import receiver, signature_holds
from tests.unit.local.test_app import BARBER, client, settings_of


async def call(http: httpx.AsyncClient) -> str:
    """One typed call; its id."""
    made = (await http.post(f"/v1/tenants/{BARBER}/calls", json={}, headers={"Idempotency-Key": "after-call"})).json()
    patience = Patience(greeting_ms=300, answer_ms=500, pause_ms=50, hang_up_ms=3_000)
    await SoftPhone(made["websocket"]["url"], made["websocket"]["ticket"], patience=patience).call(Script(typed=("Hello",)))
    return str(made["id"])


async def test_after_a_call_its_webhooks_arrive_and_its_row_is_there(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    async with receiver() as crm, serving(settings) as base, client(base) as http:
        hook = (await http.post(f"/v1/tenants/{BARBER}/webhooks", json={"url": crm.url})).json()
        call_id = await call(http)
        await crm.wait_for(3)
        events = {event["type"]: event["data"] for event in crm.events()}
        assert events["call.ended"]["id"] == events["call.analyzed"]["session_id"] == call_id
        assert all(signature_holds(headers, body, hook["secret"]) for _, headers, body in crm.requests)
        (path,) = (settings.data_dir / "analytics").rglob("*.parquet")
        assert path.parts[-3] == f"tenant_id={BARBER}" and path.parts[-2].startswith("dt=") and path.stem == call_id
        ((end_reason, status),) = duckdb.execute(f"SELECT end_reason, analysis_status FROM '{path}'").fetchall()  # noqa: S608
        assert (end_reason, status) == ("caller_hangup", "done")
        await http.post(f"/v1/tenants/{BARBER}/sessions/{call_id}:reanalyze")
        await crm.wait_for(4)
        assert json.loads(crm.requests[3][2])["data"]["reading"] == 2


async def test_what_was_not_delivered_goes_out_after_a_restart(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    async with receiver(statuses=[500, 500, 500]) as crm:
        async with serving(settings) as base, client(base) as http:
            body = {"url": crm.url, "events": ["call.ended"]}
            await http.post(f"/v1/tenants/{BARBER}/webhooks", json=body)
            await call(http)
            await crm.wait_for(1)
        crm.statuses.clear()
        async with serving(settings, Clock(speed=20)):
            await crm.wait_for(2)
        assert len({headers["webhook-id"] for _, headers, _ in crm.requests}) == 1


async def test_a_reading_that_fails_is_tried_again_and_then_left_as_a_failed_item() -> None:
    home = house(memory_stores())
    home.model.failure = UpstreamError("model_failed", "Away.")
    record, bells = finished_call(1), Bells()
    await home.stores.archive.put(record, private_of(record))
    worker = asyncio.create_task(_from_the_bell(home, bells))
    try:
        await bells.wake("barber_shop", record.id)
        async with asyncio.timeout(10):
            while not (items := await _failed(home)):  # noqa: ASYNC110 (asked over HTTP)
                await asyncio.sleep(0.01)
        assert [item["step"] for item in items] == ["lead"] and len(home.model.seen) == 3
        home.model.failure = None
        answer = await home.client.post("/v1/tenants/barber_shop/failed-items:redrive", json={})
        assert answer.json()["session_ids"] == [record.id]
        assert await _failed(home) == []
        await home.plane.after_call.finish("barber_shop", record.id)
        assert (await home.client.get("/v1/tenants/barber_shop/leads")).json()["data"][0]["status"] == "done"
    finally:
        worker.cancel()
        await home.client.aclose()


async def _from_the_bell(home: Any, bells: Bells) -> None:
    """The worker, without what an earlier run left: this test's call must be met by the bell alone."""

    class Ringing:
        async def catch_up(self) -> int:
            return 0

        finish = home.plane.after_call.finish

    await finish_calls(Ringing(), bells, Clock(), retry_s=(0.01, 0.02))  # type: ignore[arg-type]


async def _failed(home: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await home.client.get("/v1/tenants/barber_shop/failed-items")).json()["data"]
    return found
