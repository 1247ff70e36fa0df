"""A recorded call, listened to in the console by a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from local.serve import serving
from local.softphone import Patience, Script, SoftPhone
from tests.e2e.browser import browser, require_chromium
from tests.scenarios.house import TENANT, make_settings, write_tenant
from tests.unit.local.test_app import client, until

pytestmark = pytest.mark.browser
PATIENCE = Patience(greeting_ms=600, answer_ms=500, pause_ms=50, hang_up_ms=3_000)
_PLAYING = """(audio) => new Promise((done) => {
  const look = () => audio.currentTime > 0.1 && done();
  audio.addEventListener("timeupdate", look);
  look();
})"""
_LOUDNESS = """async (audio) => {
  const data = await (await fetch(audio.src)).arrayBuffer();
  const sound = await new AudioContext().decodeAudioData(data);
  const loudest = (at) => sound.getChannelData(at).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return { channels: sound.numberOfChannels, duration: sound.duration, left: loudest(0), right: loudest(1) };
}"""


async def test_the_session_page_plays_the_recording(tmp_path: Path) -> None:
    require_chromium()
    write_tenant(tmp_path / "tenants", recording={"enabled": True, "consent_line": "We record this call."})
    async with serving(make_settings(tmp_path, engine="scripted")) as base, client(base) as http:
        session = await _recorded_call(http)
        async with browser() as watched:
            await watched.page.goto(f"{base}#/sessions/{TENANT}/{session['id']}")
            await watched.page.get_by_role("button", name="Listen").click()
            audio = watched.page.locator("audio")
            await expect(audio).to_have_count(1)
            await audio.evaluate(_PLAYING)
            heard: dict[str, float] = await audio.evaluate(_LOUDNESS)
            assert watched.complaints == []
            assert watched.hosts <= {"127.0.0.1", "localhost"}
    assert heard["channels"] == 2
    assert heard["duration"] == pytest.approx(session["recording"]["duration_ms"] / 1000, abs=0.05)
    assert heard["right"] > 0.1 and heard["left"] < 0.001, "the agent spoke, the caller only typed"


async def _recorded_call(http: httpx.AsyncClient) -> dict[str, Any]:
    made = (await http.post(f"/v1/tenants/{TENANT}/calls", json={"channel": "websocket"}, headers={"Idempotency-Key": "one"})).json()
    await SoftPhone(made["websocket"]["url"], made["websocket"]["ticket"], patience=PATIENCE).call(Script(typed=("Hello",)))
    session = f"/v1/tenants/{TENANT}/sessions/{made['id']}"

    async def archived() -> bool:
        return (await http.get(session)).status_code == 200

    await until(archived, "the session")
    found: dict[str, Any] = (await http.get(session)).json()
    return found
