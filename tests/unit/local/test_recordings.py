"""A recorded call on one machine: its session gives an address, the address gives the sound, whole and in parts, and then no more."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from local.serve import serving
from local.softphone import Patience, Script, SoftPhone
from tests.fakes.opus_file import decoded
from tests.scenarios.house import TENANT, make_settings, write_tenant
from tests.unit.local.test_app import client, until

PATIENCE = Patience(greeting_ms=300, answer_ms=500, pause_ms=50, hang_up_ms=3_000)


async def test_a_recorded_call_can_be_listened_to_by_its_address(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", recording={"enabled": True, "consent_line": "We record."})
    async with serving(make_settings(tmp_path, engine="scripted")) as base, client(base) as http:
        key = {"Idempotency-Key": "one"}
        made = (await http.post(f"/v1/tenants/{TENANT}/calls", json={"channel": "websocket"}, headers=key)).json()
        await SoftPhone(made["websocket"]["url"], made["websocket"]["ticket"], patience=PATIENCE).call(Script(typed=("Hello",)))
        session = f"/v1/tenants/{TENANT}/sessions/{made['id']}"

        async def archived() -> bool:
            return (await http.get(session)).status_code == 200

        await until(archived, "the session")
        told = (await http.get(f"{session}/recording")).json()
        assert told["url"].startswith(base)
        whole = await http.get(told["url"])
        assert (whole.status_code, whole.headers["content-type"], whole.headers["accept-ranges"]) == (200, "audio/ogg", "bytes")
        assert "no-store" in whole.headers["cache-control"]
        assert hashlib.sha256(whole.content).hexdigest() == told["sha256"]
        assert decoded(whole.content).shape[0] == 2
        part = await http.get(told["url"], headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, whole.content[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
        await _nobody_else_listens(http, told["url"])


async def _nobody_else_listens(http: httpx.AsyncClient, url: str) -> None:
    place = urlsplit(url)
    for changed in (
        place._replace(query=""),
        place._replace(query="expires=9999999999&signature=" + "0" * 64),
        place._replace(query=place.query.replace("expires=", "expires=9")),
        place._replace(query=place.query.replace("expires=", "expires=²")),
        place._replace(path=place.path.replace(TENANT, "other_shop")),
        place._replace(path=place.path[:-1] + ("0" if place.path[-1] != "0" else "1")),
        place._replace(path=place.path.replace(TENANT, "..%2f..%2fkeys")),
    ):
        answer = await http.get(changed.geturl())
        assert answer.status_code in (401, 404, 422), changed
        assert answer.headers["content-type"] == "application/problem+json"
