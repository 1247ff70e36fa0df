"""A fact that was uploaded over REST is what the agent answers with, in a call of the running product; no folder, no restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from local.serve import serving
from media_plane.wiring import Instead
from nexus.clock import Clock
from tests.scenarios.house import Caller, dial, make_settings, speech

SHOP = "corner_shop"
HOME = f"/v1/tenants/{SHOP}"
QUESTION = "Where can I park?"
FACT = "# Parking\n\nParking is in the yard behind the bakery.\n"


async def told(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def asked(http: httpx.AsyncClient, clock: Clock, key: str) -> str:
    """What the agent says to the question in a call of its own."""
    ordered = await told(await http.post(f"{HOME}/calls", json={}, headers={"Idempotency-Key": key}), 201)
    url = "ws" + str(http.base_url).removeprefix("http").rstrip("/")
    async with dial(url, ordered["id"], ordered["websocket"]["ticket"], clock) as caller:
        await caller.begin()
        await caller.hears("transcript", within_s=10, role="agent", final=True)
        answer = await _answer(caller)
        assert await caller.hang_up() == "caller_hangup"
    return answer


async def _answer(caller: Caller) -> str:
    await caller.type(QUESTION)
    lines = await caller.until(lambda: caller.agent_lines()[1:], within_s=10)
    return str(lines[0])


async def test_what_was_uploaded_is_what_the_next_caller_hears(tmp_path: Path) -> None:
    clock, settings = Clock(), make_settings(tmp_path, engine="cascade")
    settings.tenants_dir.mkdir(parents=True)
    async with (
        serving(settings, clock, instead=Instead(speech=speech())) as base,
        httpx.AsyncClient(base_url=base, trust_env=False) as http,
    ):
        await told(await http.post("/v1/tenants", json={"id": SHOP}), 201)
        await told(await http.put(f"{HOME}/config/draft", json={"system_prompt": "Be brief.", "greeting": "Hi!", "engines": ["text"]}))
        await told(await http.post(f"{HOME}/config:publish"))
        assert "bakery" not in await asked(http, clock, "before")
        document = await told(await http.post(f"{HOME}/knowledge", json={"name": "Arriving", "text": FACT}), 201)
        assert document["status"] == "ready"
        assert "behind the bakery" in await asked(http, clock, "after")
        await http.delete(f"{HOME}/knowledge/{document['id']}")
        assert "bakery" not in await asked(http, clock, "then")
