"""The running product asks for credentials: ``AUTH=required``, an issuer on loopback, and the command with a key."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect

from tests.e2e.command_line import nexus, people_only, run
from tests.e2e.product import BARBER
from tests.fakes.issuer import claims, issuer_server, token

AUDIENCE = "client-1"


def person(issuer: str, role: str, tenant_id: str | None) -> dict[str, str]:
    told = claims(iss=issuer, **{"cognito:groups": [role], "custom:tenant_id": tenant_id})
    return {"Authorization": f"Bearer {token(told)}"}


async def code(http: httpx.AsyncClient, path: str, headers: dict[str, str]) -> Any:
    answer = await http.get(path, headers=headers)
    return answer.json().get("code", answer.status_code)


async def test_every_kind_of_credential_at_a_running_product(tmp_path: Path) -> None:
    async with issuer_server() as server:
        with run(tmp_path, environment=people_only(server.issuer)) as running:
            async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=30) as http:
                await _people(http, server.issuer)
                keys = await _keys(http, person(server.issuer, "tenant_admin", BARBER))
                await _calls(http, keys)
                made = await asyncio.to_thread(nexus, tmp_path, "key", "new", BARBER, "sessions:read")
                told = await asyncio.to_thread(nexus, tmp_path, "sessions", "list", BARBER, "--url", running.url, key=made.stdout.strip())
                assert told.returncode == 0, told.stderr
                refused = await asyncio.to_thread(nexus, tmp_path, "sessions", "list", BARBER, "--url", running.url)
                assert refused.returncode == 1 and "credential_missing" in refused.stderr
            for secret in (*keys.values(), made.stdout.strip()):
                assert secret[-30:] not in running.log
            assert "eyJ" not in running.log


async def _people(http: httpx.AsyncClient, issuer: str) -> None:
    sessions = f"/v1/tenants/{BARBER}/sessions"
    assert (await http.get("/health/live")).status_code == 200
    missing = await http.get(sessions)
    assert (missing.status_code, missing.json()["code"]) == (401, "credential_missing")
    assert missing.headers["www-authenticate"].startswith("Bearer")
    assert await code(http, sessions, person(issuer, "analyst", BARBER)) == 200
    assert await code(http, f"/v1/tenants/{BARBER}/api-keys", person(issuer, "analyst", BARBER)) == "forbidden"
    assert await code(http, sessions, person(issuer, "tenant_admin", "pizza_shop")) == "tenant_not_found"
    assert await code(http, sessions, person("https://evil.example", "platform_admin", None)) == "credential_invalid"
    listed = (await http.get("/v1/tenants", headers=person(issuer, "tenant_viewer", BARBER))).json()
    assert [one["id"] for one in listed["data"]] == [BARBER]
    assert len((await http.get("/v1/tenants", headers=person(issuer, "platform_admin", None))).json()["data"]) > 1


async def _keys(http: httpx.AsyncClient, admin: dict[str, str]) -> dict[str, str]:
    wishes: dict[str, dict[str, Any]] = {
        "live": {"scopes": ["calls:write", "calls:read"]},
        "test": {"mode": "test", "scopes": ["calls:write", "calls:read"]},
        "page": {"kind": "publishable", "origins": ["https://www.example.org"]},
    }
    made = {}
    for name, wish in wishes.items():
        answer = await http.post(f"/v1/tenants/{BARBER}/api-keys", json={"name": name, **wish}, headers=admin)
        assert answer.status_code == 201, answer.text
        made[name] = answer.json()["secret"]
    return made


async def _calls(http: httpx.AsyncClient, keys: dict[str, str]) -> None:
    calls = f"/v1/tenants/{BARBER}/calls"
    live, test, page = ({"Authorization": f"Bearer {keys[name]}", "Idempotency-Key": name} for name in ("live", "test", "page"))
    ordered = (await http.post(calls, json={}, headers=live)).json()
    door = ordered["websocket"]
    async with connect(door["url"], subprotocols=["nexus.v1", f"token.{door['ticket']}"], proxy=None) as socket:  # type: ignore[list-item]
        await socket.send(json.dumps({"type": "session.start", "audio": {"input": {"codec": "pcm_s16le", "sample_rate": 16000}}}))
        assert json.loads(await asyncio.wait_for(socket.recv(), 20))["type"] == "session.started"
    assert await code(http, f"{calls}/{ordered['id']}", live) == 200
    assert await code(http, f"{calls}/{ordered['id']}", test) == "call_not_found"
    assert (await http.post(calls, json={}, headers=test)).json()["code"] == "forbidden"
    tried = await http.post(calls, json={"test": True}, headers=test)
    assert tried.status_code == 201 and await code(http, f"{calls}/{tried.json()['id']}", test) == 200
    asked = {"Origin": "https://www.example.org", "Access-Control-Request-Method": "POST"}
    assert (await http.options(calls, headers=asked)).headers["access-control-allow-origin"] == "https://www.example.org"
    mine = await http.post(calls, json={}, headers={**page, "Origin": "https://www.example.org"})
    assert mine.status_code == 201 and mine.headers["access-control-allow-origin"] == "https://www.example.org"
    assert (await http.post(calls, json={}, headers={**page, "Origin": "https://evil.example"})).status_code == 403
