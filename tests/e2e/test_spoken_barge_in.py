"""A caller who speaks over the agent in a real browser: it falls silent, what was not heard is struck out, the caller is understood."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from media_plane.audio import AudioFrame
from tests.e2e.browser import browser, require_chromium
from tests.e2e.product import BARBER, Product
from tests.e2e.sound import SPEECH, TAP, heard_in, joined, plain, utterances, words_of

pytestmark = [pytest.mark.browser, pytest.mark.speech]
GREETING_MS = 3400


async def test_what_was_heard_and_what_is_written_are_the_same(running: Product, tmp_path: Path) -> None:
    require_chromium()
    caller = joined(tmp_path / "caller.wav", 2.0, SPEECH / "caller_book_haircut.wav", 60.0)
    async with browser(wav=caller, script=TAP) as watched:
        page = watched.page
        await page.goto(f"{running.base}/#/call/{BARBER}")
        await page.click("#start")
        await expect(page.locator(".turn.agent del").first).to_be_visible(timeout=15_000)
        await expect(page.locator(".turn.agent").last).to_contain_text("What name should I book it under?", timeout=15_000)
        await page.wait_for_timeout(2500)
        heard = await heard_in(page)
        await page.click("#stop")
        await expect(page.locator(".end-card")).to_contain_text("You hung up")
        call_id = await page.locator(".talk-facts code").inner_text()
        assert watched.complaints == []
    record = await running.record(call_id)
    greeting, asked, *_ = record["turns"]
    assert greeting["interrupted"] and greeting["heard_text"] != greeting["text"]
    assert greeting["text"].startswith(greeting["heard_text"])
    assert asked["role"] == "caller" and "tomorrow" in asked["text"]
    assert record["interruptions"]["caller"] == 1
    await _the_loudspeaker_agrees(heard, greeting)


async def _the_loudspeaker_agrees(heard: AudioFrame, greeting: dict[str, object]) -> None:
    first = utterances(heard)[0]
    assert first.duration_ms < GREETING_MS, "the greeting was cut"
    came_out = plain((await words_of(heard))[0]).split()
    written = plain(str(greeting["heard_text"])).split()
    assert abs(len(came_out) - len(written)) <= 2
    assert came_out[:3] == written[:3]
