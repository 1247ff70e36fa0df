"""The console against a canned server: pages, a whole call, its troubles; nothing may complain or leave the host."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.browser import Watched, browser, require_chromium, take_picture
from tests.fakes.console_server import CALL, GREETING, ConsoleBackend, console_server

pytestmark = pytest.mark.browser
WAV = Path(__file__).resolve().parents[1] / "golden" / "speech" / "book_tomorrow.wav"


@pytest.fixture
def backend() -> ConsoleBackend:
    return ConsoleBackend()


@pytest.fixture
def base(backend: ConsoleBackend) -> Iterator[str]:
    require_chromium()
    with console_server(backend) as address:
        yield address


@pytest.fixture
async def watched(base: str) -> AsyncIterator[Watched]:
    """A page with a speaking microphone; afterwards: no complaint and no other host."""
    async with browser(wav=WAV) as watched:
        yield watched
        assert watched.complaints == []
        assert watched.hosts <= {"localhost"}


async def start_call(page: Page, base: str) -> None:
    await page.goto(f"{base}#/call")
    await page.click("#start")
    await expect(page.locator(".turn.agent")).to_have_count(1)


async def type_text(page: Page, text: str) -> None:
    await page.fill("#say", text)
    await page.press("#say", "Enter")


def sent(backend: ConsoleBackend, kind: str) -> list[dict[str, object]]:
    return [message for message in backend.received if message["type"] == kind]


# --- the call ----------------------------------------------------------------------------------------------------------------


async def test_a_call_is_heard_typed_interrupted_and_ended(base: str, backend: ConsoleBackend, watched: Watched) -> None:
    page = watched.page
    await start_call(page, base)
    await expect(page.locator(".turn.agent .bubble")).to_have_text(GREETING)
    for who in ("caller", "agent"):
        await expect(page.locator(f".meter.{who}")).to_have_attribute("aria-valuenow", re.compile(r"^[2-9]\d$"))
    await type_text(page, "A haircut on Thursday?")
    await expect(page.locator(".chip")).to_have_text("0.92 s")
    await expect(page.locator(".tool-line")).to_contain_text("done · 84 ms")
    await expect(page.locator(".stage .state")).to_have_text("Speaking")
    await page.hover(".chip")
    await expect(page.locator(".stages")).to_be_visible()
    await type_text(page, "stop")
    await expect(page.locator(".bubble del")).to_contain_text("half past eleven")
    # The agent's twenty seconds of tone were thrown away: its meter falls at once.
    await expect(page.locator(".meter.agent")).to_have_attribute("aria-valuenow", "0")
    await page.click("#stop")
    await expect(page.locator(".end-card a")).to_have_attribute("href", f"#/sessions/barber_shop_demo/{CALL}")
    await expect(page.locator(".end-card")).to_contain_text("You hung up")
    assert [message["text"] for message in sent(backend, "input.text")] == ["A haircut on Thursday?", "stop"]
    assert backend.audio_bytes > 0 and backend.audio_bytes % 640 == 0, "frames of 20 ms PCM16 at 16 kHz"
    assert backend.ended == [CALL]


async def test_what_was_played_is_told_in_order_and_to_the_end(base: str, backend: ConsoleBackend, watched: Watched) -> None:
    await start_call(watched.page, base)
    await expect(watched.page.locator(".timer")).to_have_text("0:02")
    played = [float(str(message["played_ms"])) for message in sent(backend, "audio.played")]
    assert played == sorted(played) and len(played) >= 5
    assert played[-1] == pytest.approx(1200)


async def test_a_lost_socket_is_told_and_the_transcript_stays(base: str, backend: ConsoleBackend, watched: Watched) -> None:
    backend.drop_on_text = True
    await start_call(watched.page, base)
    await type_text(watched.page, "hello")
    await expect(watched.page.get_by_role("alert")).to_contain_text("The connection was lost")
    await expect(watched.page.locator(".turn.agent")).to_have_count(1)
    await expect(watched.page.locator("#start")).to_have_text("Call again")


async def test_the_agent_hangs_up_and_text_only_is_told(base: str, watched: Watched) -> None:
    page = watched.page
    await start_call(page, base)
    await type_text(page, "text only")
    await expect(page.locator(".stage .mode")).to_have_text("Text only · engine lost")
    await expect(page.locator(".note-line")).to_contain_text("engine lost")
    await type_text(page, "bye")
    await expect(page.locator(".end-card")).to_contain_text("The agent hung up")


async def test_another_voice_engine_is_told_with_its_reason(base: str, watched: Watched) -> None:
    page = watched.page
    await start_call(page, base)
    await type_text(page, "other engine")
    await expect(page.locator(".note-line")).to_contain_text("Another voice engine took over: engine lost.")
    await expect(page.locator(".stage .mode")).to_contain_text("Voice")
    await expect(page.locator(".stage .state")).to_have_text("Connecting…")


async def test_the_call_lives_on_while_another_page_is_open(base: str, backend: ConsoleBackend, watched: Watched) -> None:
    page = watched.page
    await start_call(page, base)
    await page.click("nav a >> text=Sessions")
    await expect(page.locator("h1")).to_have_text("Sessions")
    await expect(page.locator(".live-mark")).to_be_visible()
    await page.click("nav a >> text=Call")
    await expect(page.locator(".turn.agent .bubble")).to_have_text(GREETING)
    assert backend.ended == []


# --- its troubles ------------------------------------------------------------------------------------------------------------


async def test_a_refused_microphone_offers_typing(base: str, backend: ConsoleBackend) -> None:
    async with browser(microphone=False) as watched:
        page = watched.page
        await page.goto(f"{base}#/call")
        await page.click("#start")
        await expect(page.locator(".notice")).to_contain_text("The microphone is blocked")
        assert backend.keys == [], "no call is ordered before the microphone is there"
        await page.click("text=Continue by typing")
        await expect(page.locator("#say")).to_be_focused()
        await expect(page.locator(".stage .mode")).to_have_text("Voice · you type")
        assert backend.audio_bytes == 0


async def test_no_capacity_names_the_wait(base: str, backend: ConsoleBackend) -> None:
    backend.refuse = {
        "status": 503,
        "title": "No engine slot",
        "code": "no_engine_slot",
        "detail": "Every engine is busy.",
        "request_id": "req_1",
    }
    async with browser(wav=WAV) as watched:
        await watched.page.goto(f"{base}#/call")
        await watched.page.click("#start")
        await expect(watched.page.locator(".notice")).to_contain_text("room in 5 s")
        await expect(watched.page.locator(".notice")).to_contain_text("req_1")
        backend.refuse = None
        await watched.page.click("text=Call again >> nth=0")
        await expect(watched.page.locator(".turn.agent")).to_have_count(1)


async def test_a_ticket_that_ran_out_is_renewed_once_for_the_same_call(base: str, backend: ConsoleBackend) -> None:
    backend.refuse_sockets = 1
    async with browser(wav=WAV) as watched:
        await start_call(watched.page, base)
    assert len(backend.keys) == 2 and len(set(backend.keys)) == 1


async def test_a_socket_refused_twice_is_told(base: str, backend: ConsoleBackend) -> None:
    backend.refuse_sockets = 2
    async with browser(wav=WAV) as watched:
        await watched.page.goto(f"{base}#/call")
        await watched.page.click("#start")
        await expect(watched.page.get_by_role("alert")).to_contain_text("could not be connected")
    assert len(backend.keys) == 2


# --- the pages that read -----------------------------------------------------------------------------------------------------


async def test_sessions_load_more_filter_and_open(base: str, watched: Watched) -> None:
    page = watched.page
    await page.goto(f"{base}#/sessions")
    await expect(page.locator("tbody tr")).to_have_count(25)
    await page.click("text=Load more")
    await expect(page.locator("tbody tr")).to_have_count(30)
    await expect(page.locator("text=Load more")).to_be_hidden()
    await page.select_option("#filter-status", "failed")
    await expect(page.locator("tbody tr")).to_have_count(7)
    await expect(page.locator("#filter-status")).to_be_focused()
    await page.select_option("#filter-tenant", "pizza_demo")
    await expect(page.locator(".empty")).to_contain_text("Nothing matches")
    await page.click("text=Clear the filters")
    await page.locator("tbody .row-link").first.click()
    await expect(page.locator(".turn")).to_have_count(5)
    await expect(page.locator("del")).to_contain_text("half past eleven")
    await expect(page.locator(".facts")).to_contain_text("••• 4711")
    await expect(page.locator(".lead-summary")).to_contain_text("Maria booked")
    await page.click("summary")
    await expect(page.locator(".raw")).to_contain_text('"end_reason": "caller_hangup"')


async def test_leads_and_tenants_render(base: str, watched: Watched) -> None:
    page = watched.page
    await page.goto(f"{base}#/leads")
    await expect(page.locator("tbody tr")).to_have_count(3)
    await page.select_option("#filter-follow_up_required", "true")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await page.goto(f"{base}#/tenants")
    await page.click("text=broken_demo >> nth=0")
    await expect(page.locator(".faults li")).to_have_count(2)
    await expect(page.locator(".faults")).to_contain_text("config.yaml:7")
    await page.goto(f"{base}#/tenants/barber_shop_demo")
    await expect(page.locator("blockquote")).to_have_text(GREETING)


async def test_no_tenants_says_how_to_make_one(base: str, backend: ConsoleBackend, watched: Watched) -> None:
    backend.no_tenants = True
    for page in ("call", "tenants"):
        await watched.page.goto(f"{base}#/{page}")
        await expect(watched.page.locator(".empty")).to_contain_text("nexus tenant new")


@pytest.mark.parametrize("width_px", [380, 1280])
async def test_no_page_scrolls_sideways(base: str, width_px: int) -> None:
    async with browser(width_px=width_px, dark=True) as watched:
        for route in (
            "call",
            "sessions",
            "leads",
            "tenants",
            f"sessions/barber_shop_demo/{CALL}",
            "tenants/broken_demo",
            "tenants/barber_shop_demo",
        ):
            await watched.page.goto(f"{base}#/{route}")
            await expect(watched.page.locator(".skeleton")).to_have_count(0)
            assert await watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), route


async def test_the_keyboard_walks_in_reading_order_and_the_theme_is_kept(base: str, watched: Watched) -> None:
    page = watched.page
    await page.goto(f"{base}#/call")
    await expect(page.locator("#start")).to_be_visible()
    seen = []
    for _ in range(10):
        await page.keyboard.press("Tab")
        seen.append(await page.evaluate("document.activeElement.id || document.activeElement.innerText.trim()"))
    assert seen == ["skip", "Nexus Voice", "Call", "Sessions", "Leads", "Tenants", "theme", "tenant", "start", "start-typed"]
    await page.click("#theme")
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
    await page.reload()
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"


async def test_a_picture_of_a_live_call_can_be_taken(base: str, tmp_path: Path) -> None:
    await take_picture(f"{base}#/call", tmp_path / "console.png", ready=".turn.agent", wav=WAV)
    assert (tmp_path / "console.png").read_bytes().startswith(b"\x89PNG")
