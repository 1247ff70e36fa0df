"""Both planes in one process: what a call leaves behind, what the next start catches up with, what the port answers."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from local.serve import serving
from local.softphone import Patience, Script, SoftPhone
from media_plane.wiring import Instead
from nexus.adapters.embedded import embedded_stores
from nexus.clock import Clock
from nexus.domain.call import EndReason
from nexus.domain.trace import trace_id_of
from nexus.settings.values import Settings, load_settings
from tests.fakes.stored import private, record
from tests.fakes.webhook_receiver import Receiver, receiver
from tests.scenarios.duplex_house import doubles
from tests.scenarios.house import speech

ROOT = Path(__file__).resolve().parents[3]
BARBER = "barber_shop_demo"
T = TypeVar("T")


def settings_of(folder: Path, **over: Any) -> Settings:
    if not (folder / "tenants").exists():
        shutil.copytree(ROOT / "tenants", folder / "tenants")
    given: dict[str, Any] = {"data_dir": folder / "data", "tenants_dir": folder / "tenants", "port": 0, "engine": "scripted", **over}
    return load_settings(None, **given)


async def until(look: Callable[[], Awaitable[T]], what: str) -> T:
    """The first truthy answer; another process' work is waited for, so it is asked again."""
    try:
        async with asyncio.timeout(10):
            while not (found := await look()):  # noqa: ASYNC110 (asked over HTTP)
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{what} did not come") from None
    return found


def client(base: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=base, trust_env=False)


async def test_after_each_call_its_lead_and_its_row_appear(tmp_path: Path) -> None:
    async with (
        receiver(default_status=200) as collector,
        serving(settings_of(tmp_path, otel_exporter_otlp_endpoint=collector.url)) as base,
        client(base) as http,
    ):

        async def call(number: int) -> str:
            key = {"Idempotency-Key": f"key-{number}"}
            made = (await http.post(f"/v1/tenants/{BARBER}/calls", json={"channel": "websocket"}, headers=key)).json()
            patience = Patience(greeting_ms=300, answer_ms=500, pause_ms=50, hang_up_ms=3_000)
            report = await SoftPhone(made["websocket"]["url"], made["websocket"]["ticket"], patience=patience).call(
                Script(typed=("Hello",))
            )
            assert report.end_reason == "caller_hangup"
            return str(made["id"])

        called = set(await asyncio.gather(call(1), call(2)))

        async def both() -> bool:
            return {lead["session_id"] for lead in (await http.get(f"/v1/tenants/{BARBER}/leads")).json()["data"]} == called

        await until(both, "both leads")
        rows = (await http.get(f"/v1/tenants/{BARBER}/sessions")).json()["data"]
        assert {row["id"] for row in rows} == called
        session = (await http.get(f"/v1/tenants/{BARBER}/sessions/{rows[0]['id']}")).json()
        assert session["intelligence"]["core_intent"] == session["summary"]["intent"]
        await collector.wait_for(4)
        traces = _traces(collector)
        assert traces.keys() == {trace_id_of(call_id) for call_id in called}
        for names in traces.values():
            assert {"call", "wait for caller", "session", "caller turn", "agent turn", "lead"} <= names
        assert session["trace_id"] in traces
        assert not any(b"Hello" in body for _, _, body in collector.requests)


def _traces(collector: Receiver) -> dict[str, set[str]]:
    """The names of the spans that have arrived, by trace."""
    found: dict[str, set[str]] = {}
    for _, _, body in collector.requests:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            for span in (one for scope in group.scope_spans for one in scope.spans):
                found.setdefault(span.trace_id.hex(), set()).add(span.name)
    return found


async def test_a_call_archived_before_a_crash_is_finished_at_the_next_start(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    archived = record(7, tenant_id=BARBER, text="I want a haircut")
    await embedded_stores(settings).archive.put(archived, private(7, tenant_id=BARBER, days=10_000))
    async with serving(settings) as base, client(base) as http:

        async def leads() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = (await http.get(f"/v1/tenants/{BARBER}/leads")).json()["data"]
            return found

        (lead,) = await until(leads, "the lead of the archived call")
        assert lead["session_id"] == archived.id
        (row,) = (await http.get(f"/v1/tenants/{BARBER}/sessions")).json()["data"]
        assert row["id"] == archived.id


async def test_expired_private_transcripts_are_deleted_and_young_ones_stay(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    archive = embedded_stores(settings).archive
    now = datetime.now(UTC)
    for number, delete_after in ((1, now - timedelta(days=1)), (2, now + timedelta(days=1))):
        transcript = private(number, tenant_id=BARBER).model_copy(update={"delete_after": delete_after})
        await archive.put(record(number, tenant_id=BARBER), transcript)
    async with serving(settings):

        async def gone() -> bool:
            return await archive.get_private(BARBER, record(1).id) is None

        await until(gone, "the expiry")
        assert await archive.get_private(BARBER, record(2).id) is not None
        assert (await archive.get(BARBER, record(1).id)).id == record(1).id


async def test_readiness_names_what_is_missing(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    async with serving(settings) as base, client(base) as http:
        assert (await http.get("/health/ready")).status_code == 200
        shutil.rmtree(settings.tenants_dir)
        answer = await http.get("/health/ready")
        assert answer.status_code == 503
        assert "TENANTS_DIR is no folder" in answer.text


async def test_the_console_is_served_behind_a_content_policy_and_nothing_else_is(tmp_path: Path) -> None:
    async with serving(settings_of(tmp_path)) as base, client(base) as http:
        page = await http.get("/")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src" in page.headers["content-security-policy"]
        assert (await http.get("/app.js")).status_code == 200
        for path in ("/no-such-page", "/v1/no-such-thing", "/..%2f..%2fpyproject.toml", "/README"):
            unknown = await http.get(path)
            assert unknown.status_code == 404, path
            assert "nexus-voice-engine" not in unknown.text


@pytest.mark.parametrize("path", ["/", "/ws", "/v1/calls", "/v1/nothing/call_1", "/ws/call/nobody_here"])
async def test_a_socket_on_an_unknown_path_is_refused(tmp_path: Path, path: str) -> None:
    async with serving(settings_of(tmp_path)) as base:
        with pytest.raises(InvalidStatus) as refused:
            async with connect("ws" + base.removeprefix("http") + path, proxy=None):
                pass
        assert refused.value.response.status_code == 404


async def test_sessions_are_filtered_by_status_reason_outcome_time_and_length(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    archive = embedded_stores(settings).archive
    await archive.put(record(1, tenant_id=BARBER), private(1, tenant_id=BARBER, days=10_000))
    lost = record(2, tenant_id=BARBER).model_copy(update={"status": "abandoned", "end_reason": EndReason.CALLER_LOST, "duration_ms": 500.0})
    await archive.put(lost, private(2, tenant_id=BARBER, days=10_000))
    async with serving(settings) as base, client(base) as http:

        async def rows(**where: str) -> list[str]:
            answer = await http.get(f"/v1/tenants/{BARBER}/sessions", params=where)
            assert answer.status_code == 200, answer.text
            return [row["id"] for row in answer.json()["data"]]

        async def both() -> bool:
            return len((await http.get(f"/v1/tenants/{BARBER}/leads")).json()["data"]) == 2

        await until(both, "both calls")
        one, two = record(1).id, record(2).id
        assert await rows() == [two, one]
        assert await rows(status="abandoned") == [two]
        assert await rows(end_reason="caller_hangup") == [one]
        assert await rows(**{"duration_ms[gte]": "1000"}) == [one]
        assert await rows(**{"started_at[gte]": "2027-01-01T00:00:00Z"}) == []
        assert await rows(status="abandoned", end_reason="caller_hangup") == []
        outcome = (await http.get(f"/v1/tenants/{BARBER}/sessions")).json()["data"][0]["outcome"]
        assert two in await rows(outcome=outcome)
        assert (await http.get(f"/v1/tenants/{BARBER}/sessions", params={"statsu": "x"})).status_code == 422


async def test_readiness_tells_how_many_processes_of_the_model_live(tmp_path: Path) -> None:
    clock = Clock(speed=20)
    async with doubles(2, clock) as (one, two):
        settings = settings_of(tmp_path, engine="personaplex", personaplex_ws_url=f"{one.url},{two.url}")
        async with serving(settings, clock, instead=Instead(speech=speech())) as base, client(base) as http:
            ready = await http.get("/health/ready")
            assert ready.status_code == 200
            assert "2 of 2 processes live, 2 free; calls at once: 1" in ready.text
            await two.stop()

            async def told() -> bool:
                return "1 of 2 processes live" in (await http.get("/health/ready")).text

            await until(told, "the dead process")
            assert two.url in (await http.get("/health/ready")).text
            await one.stop()

            async def unready() -> bool:
                return (await http.get("/health/ready")).status_code == 503

            await until(unready, "the last one")
