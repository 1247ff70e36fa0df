"""A tool that was declared over REST, in a call of the running product: one booking at the tenant's own server, and no secret anywhere."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.serve import serving
from media_plane.conversation.events import ToolRequested
from media_plane.engines.scripted import Emit, Reaction, Script, Speak
from media_plane.wiring import Instead
from nexus.adapters.embedded import embedded_stores
from nexus.clock import Clock
from tests.fakes.tls_server import Resolver, TenantServer, tenant_server
from tests.scenarios.house import House, dial, make_settings, scripted, speech

SHOP, TOKEN = "milk_shop", "sk-live-0123456789"
HOME = f"/v1/tenants/{SHOP}"
BOOK: dict[str, Any] = {
    "name": "book",
    "description": "Book a delivery",
    "parameters": {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
    "url": "https://tools.example.com/deliveries",
    "headers": {"Authorization": "Bearer {{secret:SHOP_TOKEN}}"},
    "retries": 2,
    "spoken": {"start": "I put it down.", "failure": "Our delivery desk does not answer."},
}
ASKS_TWICE = Script(
    (
        Reaction("turn", (Emit(ToolRequested("r1", "book", {"day": "Monday"})), Emit(ToolRequested("r2", "book", {"day": "Monday"})))),
        Reaction("tool", (Speak("Through."),)),
    ),
    echo=True,
)


async def told(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def opened(http: httpx.AsyncClient) -> None:
    """A tenant, its secret and its tool: all by REST, and no folder anywhere."""
    await told(await http.post("/v1/tenants", json={"id": SHOP, "name": "Milk Shop"}), 201)
    await told(await http.put(f"{HOME}/secrets/SHOP_TOKEN", json={"value": TOKEN}))
    draft = {"system_prompt": "You sell milk.", "greeting": "Hi!", "http_tools": [BOOK], "enabled_tools": ["book"]}
    await told(await http.put(f"{HOME}/config/draft", json=draft))
    verdict = await told(await http.post(f"{HOME}/config/draft:validate"))
    assert (verdict["errors"], verdict["warnings"]) == ([], [])
    await told(await http.post(f"{HOME}/config:publish"))


@pytest.fixture
async def server() -> AsyncIterator[TenantServer]:
    async with tenant_server() as made:
        yield made


async def one_call(folder: Path, outbound: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The session as REST shows it, and the tool messages that the caller got."""
    clock, settings = Clock(), make_settings(folder)
    settings.tenants_dir.mkdir(parents=True)
    instead = Instead(voice_engine=scripted(ASKS_TWICE, clock), speech=speech(), outbound=outbound)
    async with serving(settings, clock, instead=instead) as base, httpx.AsyncClient(base_url=base, trust_env=False) as http:
        await opened(http)
        ordered = await told(await http.post(f"{HOME}/calls", json={}, headers={"Idempotency-Key": "one"}), 201)
        async with dial("ws" + base.removeprefix("http"), ordered["id"], ordered["websocket"]["ticket"], clock) as caller:
            await caller.begin()
            await caller.hears("audio.end")
            await caller.type("Bring milk on Monday")
            await caller.until(lambda: len([m for m in caller.messages("tool") if m["status"] != "running"]) == 2, within_s=20)
            await caller.hears("transcript", within_s=20, role="agent", text="Through.", final=True)
            assert await caller.hang_up() == "caller_hangup"
        await House("", settings, embedded_stores(settings), clock).record(SHOP)
        return await told(await http.get(f"{HOME}/sessions/{ordered['id']}")), caller.messages("tool")


def files_with(folder: Path, words: str) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and words.encode() in file.read_bytes()]


async def test_a_booking_happens_once_and_leaves_no_secret(tmp_path: Path, server: TenantServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.answers(json.dumps({"said": "Monday it is.", "seen": f"Bearer {TOKEN}"}), 503)
    session, _ = await one_call(tmp_path, server.rules)
    assert [(first, body) for first, _, body in server.receiver.requests] == [("POST /deliveries HTTP/1.1", b'{"day": "Monday"}')] * 2
    keys = {headers["idempotency-key"] for _, headers, _ in server.receiver.requests}
    assert all(headers["authorization"] == f"Bearer {TOKEN}" for _, headers, _ in server.receiver.requests)
    first, again = session["tools"]
    assert keys == {f"{session['id']}.{first['effect_id']}"}, "the server can tell that the second attempt is the first one's repetition"
    assert (first["status"], first["attempts"], again["status"]) == ("done", 2, "replayed")
    assert "Monday it is." in first["output"]
    assert not files_with(tmp_path, TOKEN) and files_with(tmp_path, "Monday it is."), "what the server said is kept, the secret is not"
    assert TOKEN not in caplog.text and TOKEN not in json.dumps(session)


async def test_a_server_inside_the_network_is_never_reached(tmp_path: Path, server: TenantServer) -> None:
    """The name was fine when it was declared; when the call comes, it leads to the machine beside ours."""
    session, messages = await one_call(tmp_path, type(server.rules)(trust=server.rules.trust, resolve=Resolver(["169.254.169.254"])))
    assert server.receiver.requests == []
    assert [one["status"] for one in session["tools"]] == ["failed", "failed"] and messages[-1]["status"] == "failed"
