"""The original product's own test page, unmodified, opened from a file: it connects, hears the agent, is understood and hangs up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.browser import browser, require_chromium
from tests.e2e.product import ROOT, Product, eventually, port_is_free, product
from tests.e2e.sound import SPEECH, joined
from tests.missing import missing

pytestmark = [pytest.mark.browser, pytest.mark.speech]
SEEDS = ROOT.parent / "shared" / "seeds"
HEADING = "### Step 5: Test Real-Time Audio"
PORT = 8000


@pytest.fixture
def original_page(tmp_path: Path) -> Path:
    """The HTML block under the original's heading, as it stands there."""
    documents = [path.read_text(encoding="utf-8") for path in sorted(SEEDS.glob("000*.txt"))]
    found = [re.search(r"```html\n(.*?)```", text.split(HEADING, 1)[1], re.DOTALL) for text in documents if HEADING in text]
    if not found or found[0] is None:
        pytest.skip(f"the original's documents are not here ({SEEDS})")
    page = tmp_path / "test_audio.html"
    page.write_text(found[0][1], encoding="utf-8")
    return page


@pytest.fixture
def on_8000(original_page: Path, tmp_path: Path) -> Iterator[Product]:
    """The product where that page expects it."""
    require_chromium()
    if not port_is_free(PORT):
        missing(f"the original's page calls ws://localhost:{PORT}, and something else listens there: stop it and run the test again")
    (tmp_path / "product").mkdir()
    with product(tmp_path / "product", port=PORT) as running:
        yield running


async def test_the_original_page_holds_a_call(on_8000: Product, original_page: Path, tmp_path: Path) -> None:
    caller = joined(tmp_path / "caller.wav", 6.0, SPEECH / "caller_book_haircut.wav", 60.0)
    async with browser(wav=caller) as watched:
        page = watched.page
        await page.goto(original_page.as_uri())
        await page.click("#start")
        await expect(page.locator("#status")).to_have_text("Connected!")
        await expect(page.locator("#log")).to_contain_text("Message: connected")
        # The agent has understood when it asks for what is still missing.
        await expect(page.locator("#log")).to_contain_text("What name should I book it under?", timeout=25_000)
        await _audio_follows(page)
        await page.click("#stop")
        await expect(page.locator("#status")).to_have_text("Disconnected")
        assert watched.complaints == []
    [row] = await eventually(lambda: on_8000.sessions() or None, "the session")
    record = await on_8000.record(row["id"])
    assert record["end_reason"] == "caller_hangup"
    assert record["caller"]["last4"] == "7890", "the + of the page's customer_phone came as a space"
    [said] = [turn["text"].lower() for turn in record["turns"] if turn["role"] == "caller"]
    assert re.search(r"book a hair\s?\w+ for tomorrow at (10:30|ten thirty)", said)


async def _audio_follows(page: Page) -> None:
    """Pieces of audio arrive; the page calls a Blob's missing byteLength ``undefined``."""
    pattern = re.compile(r"Received (?:undefined|\d+) bytes of audio")
    before = len(pattern.findall(await page.locator("#log").inner_text()))
    assert before > 50
    await page.wait_for_function(f"(document.getElementById('log').innerText.match(/Received/g) ?? []).length > {before}")
