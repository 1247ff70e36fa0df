"""A tenant that was made over REST, from its first request to its erased session, in the product on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from local.serve import serving
from local.softphone import Patience, Script, SoftPhone
from nexus.adapters.embedded import embedded_stores
from tests.unit.local.test_app import client, settings_of, until

SHOP = "corner_shop"
PATIENCE = Patience(greeting_ms=300, answer_ms=500, pause_ms=50, hang_up_ms=3_000)


async def published(http: httpx.AsyncClient, greeting: str) -> None:
    draft = {"system_prompt": "You sell milk.", "greeting": greeting, "knowledge_base": {"hours": {"saturday": "9 AM to 4 PM"}}}
    written = await http.put(f"/v1/tenants/{SHOP}/config/draft", json=draft, headers={"If-Match": "*"})
    assert written.status_code == 200, written.text
    assert (await http.post(f"/v1/tenants/{SHOP}/config/draft:validate")).json()["valid"]
    assert (await http.post(f"/v1/tenants/{SHOP}/config:publish")).status_code == 200


async def ordered(http: httpx.AsyncClient, key: str) -> dict[str, Any]:
    made = await http.post(f"/v1/tenants/{SHOP}/calls", json={"caller": {"phone": "+493055501234"}}, headers={"Idempotency-Key": key})
    assert made.status_code == 201, made.text
    return dict(made.json())


async def called(call: dict[str, Any]) -> None:
    report = await SoftPhone(call["websocket"]["url"], call["websocket"]["ticket"], patience=PATIENCE).call(Script(typed=("Hello",)))
    assert report.end_reason == "caller_hangup"


async def test_from_the_first_request_to_the_erased_session(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    async with serving(settings) as base, client(base) as http:
        assert (await http.post("/v1/tenants", json={"id": SHOP, "name": "Corner Shop"})).status_code == 201
        await published(http, "Corner Shop, first.")
        first = await ordered(http, "first")
        await published(http, "Corner Shop, second.")
        second = await ordered(http, "second")
        assert (first["config_version"], second["config_version"]) == (1, 2)
        await called(first)
        await called(second)

        async def leads() -> bool:
            return len((await http.get(f"/v1/tenants/{SHOP}/leads")).json()["data"]) == 2

        await until(leads, "both leads")
        greetings = []
        for call in (first, second):
            session = (await http.get(f"/v1/tenants/{SHOP}/sessions/{call['id']}")).json()
            assert (session["config_hash"], session["config_version"]) == (call["config_hash"], call["config_version"])
            greetings.append(session["turns"][0]["text"])
        assert greetings == ["Corner Shop, first.", "Corner Shop, second."], "each call ran with what it was ordered with"

        waiting = await ordered(http, "third")
        assert (await http.post(f"/v1/tenants/{SHOP}:suspend")).status_code == 200
        with pytest.raises(InvalidStatus) as refused:
            await connect(
                waiting["websocket"]["url"], subprotocols=[Subprotocol("nexus.v1"), Subprotocol(f"token.{waiting['websocket']['ticket']}")]
            )
        assert refused.value.response.status_code == 403 and b"tenant_suspended" in refused.value.response.body
        deletion = await http.delete(f"/v1/tenants/{SHOP}")
        assert deletion.status_code == 202

        async def erased() -> bool:
            return "documents" in (await http.get(deletion.headers["location"])).json()["done"]

        await until(erased, "the erasure")
        stores = embedded_stores(settings)
        assert await stores.archive.list_calls(SHOP) == ()
        assert await stores.archive.get_private(SHOP, first["id"]) is None
        assert (await http.get(f"/v1/tenants/{SHOP}/sessions")).json()["data"] == []
        assert not (settings.data_dir / "history" / SHOP).exists() and not (settings.data_dir / "private" / SHOP).exists()


async def test_a_deletion_goes_on_after_a_restart(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    async with serving(settings) as base, client(base) as http:
        await http.post("/v1/tenants", json={"id": SHOP})
        await published(http, "Hello.")
        deletion = await http.delete(f"/v1/tenants/{SHOP}")
    async with serving(settings) as base, client(base) as http:

        async def erased() -> bool:
            return "documents" in (await http.get(deletion.headers["location"])).json()["done"]

        await until(erased, "the erasure")
        assert (await http.get(f"/v1/tenants/{SHOP}")).json()["status"] == "deleting"
