"""The console where the API asks for credentials: a form, what is refused and why, and nothing kept beyond the tab."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.e2e import test_cli
from tests.e2e.browser import browser, require_chromium
from tests.e2e.product import BARBER
from tests.e2e.test_credentials import _nexus

pytestmark = pytest.mark.browser
REFUSED = "Failed to load resource: the server responded with a status of 401 (Unauthorized)"


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[test_cli.Running]:
    """A product that answers nobody without a credential."""
    require_chromium()
    monkeypatch.setattr(test_cli, "BEGINNING", {**test_cli.BEGINNING, "AUTH": "required"})
    with test_cli.run(tmp_path) as running:
        yield running


async def test_a_key_opens_the_console_and_goes_with_the_tab(asking: test_cli.Running, tmp_path: Path) -> None:
    made = await asyncio.to_thread(_nexus, tmp_path, "key", "new", BARBER, "tenants:read", "sessions:read", "calls:write")
    key = made.stdout.strip()
    async with browser() as watched:
        page = watched.page
        await page.goto(f"{asking.url}/#/sessions")
        await expect(page.locator("h1")).to_have_text("Sign in")
        await page.fill("#credential", "nx_sec_of_nobody")
        await page.press("#credential", "Enter")
        await expect(page.locator(".sign-in [role=alert]")).to_contain_text("Ask your admin for another key")
        assert await page.evaluate("sessionStorage.length") == 0
        await page.fill("#credential", f"Bearer {key}")
        await page.click(".sign-in button")
        await expect(page.locator("h1")).to_have_text("Sessions")
        await expect(page.locator("#filter-tenant option")).to_have_count(2)
        assert key not in page.url and await page.evaluate("document.cookie + JSON.stringify(localStorage)") == "{}"
        await page.goto(f"{asking.url}/#/call")
        await page.click("#start")
        await expect(page.locator(".turn.agent")).to_have_count(1)
        await page.click("#stop")
        await page.click("#sign-out")
        await expect(page.locator("h1")).to_have_text("Sign in")
        assert {one for one in watched.complaints if one != REFUSED} == set()
        assert watched.hosts == {"127.0.0.1"}
