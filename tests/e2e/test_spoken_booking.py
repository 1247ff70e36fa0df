"""The whole product: a spoken WAV as the browser's microphone books an appointment, and the answer is listened to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from media_plane.audio import AudioFrame
from tests.e2e.browser import browser, require_chromium
from tests.e2e.product import BARBER, Product, shop_day
from tests.e2e.sound import SPEECH, TAP, heard_in, joined, loudness, plain, recalled, words_of

pytestmark = [pytest.mark.browser, pytest.mark.speech]
# The pauses hold the agent's answers with some seconds to spare: "So that's a haircut, tomorrow, …" alone takes 12 s.
CALL_MS = 90_000


@pytest.fixture
def caller(tmp_path: Path) -> Path:
    book, name, phone, yes, goodbye = (SPEECH / f"caller_{part}.wav" for part in ("book_haircut", "name", "phone", "yes", "goodbye"))
    return joined(tmp_path / "caller.wav", 6.0, book, 5.5, name, 6.5, phone, 16.0, yes, 12.0, goodbye, 30.0)


async def test_a_spoken_call_books_an_appointment_that_is_seen_everywhere(running: Product, caller: Path) -> None:
    require_chromium()
    tomorrow = shop_day(1)
    async with browser(wav=caller, script=TAP) as watched:
        page = watched.page
        await page.goto(f"{running.base}/#/call/{BARBER}")
        await page.click("#start")
        await expect(page.locator(".end-card")).to_contain_text("The agent hung up", timeout=CALL_MS)
        call_id = await page.locator(".talk-facts code").inner_text()
        heard = await heard_in(page)
        await _the_page_shows_the_call(page)
        record = await running.record(call_id)
        await _the_pages_list_it(page, running, call_id)
        assert watched.complaints == []
        assert watched.hosts <= {"localhost"}
    _the_record_is_the_call(record)
    [first_slot] = [stored for stored in await running.calendar() if stored.key.startswith(f"slot/{tomorrow}")]
    assert first_slot.key == f"slot/{tomorrow}T10:30"
    assert (first_slot.value["customer_name"], first_slot.value["service"]) == ("Dana Smith", "haircut")
    assert first_slot.value["call_id"] == call_id
    [lead] = [lead for lead in running.get(f"/tenants/{BARBER}/leads")["data"] if lead["session_id"] == call_id]
    assert (lead["lead"]["customer_name"], lead["lead"]["call_outcome"]) == ("Dana Smith", "booking_made")
    assert lead["lead"]["customer_phone"].endswith("2125550147")
    await _the_agent_was_heard(heard, [turn["text"] for turn in record["turns"] if turn["role"] == "agent"])


async def _the_page_shows_the_call(page: Page) -> None:
    await expect(page.locator(".turn.caller .bubble").first).to_contain_text(re.compile("book a hair ?cut"))
    await expect(page.locator(".tool-line")).to_contain_text("done")
    await expect(page.locator(".chip").first).to_be_visible()


async def _the_pages_list_it(page: Page, running: Product, call_id: str) -> None:
    await page.goto(f"{running.base}/#/sessions")
    await page.click(f'a[href="#/sessions/{BARBER}/{call_id}"]')
    await expect(page.locator(".tool-head")).to_contain_text("book_appointment")
    await expect(page.locator(".lead-summary")).to_contain_text("A booking was made")
    await page.goto(f"{running.base}/#/leads?outcome=booking_made")
    await expect(page.locator("tbody tr", has=page.locator(f'a[href="#/sessions/{BARBER}/{call_id}"]'))).to_contain_text("Dana Smith")


def _the_record_is_the_call(record: dict[str, Any]) -> None:
    turns = record["turns"]
    assert (record["status"], record["end_reason"]) == ("completed", "agent_hangup")
    assert not any(turn["interrupted"] for turn in turns)
    said = [plain(turn["text"]) for turn in turns if turn["role"] == "caller"]
    # "[phone]": the record holds no numbers in the clear.
    expected = ("book a hair", "dana smith", "number is phone", "yes", "goodbye")
    assert all(words in text for words, text in zip(expected, said, strict=True)), said


async def _the_agent_was_heard(heard: AudioFrame, said: list[str]) -> None:
    """What the agent said, the confirmation in it, came out of the loudspeaker, at a speaking level, without clipping."""
    measured = loudness(heard)
    assert -26 < measured.voice_dbfs < -16
    assert measured.longest_clip < 4
    heard_words = " ".join(await words_of(heard))
    assert recalled(" ".join(said), heard_words) > 0.7, heard_words
    assert recalled(next(text for text in said if "booked" in text), heard_words) > 0.6, heard_words
