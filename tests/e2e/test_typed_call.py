"""The console on the real product without a microphone: a typed call, then every page without a complaint."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.e2e.browser import browser, require_chromium
from tests.e2e.picture import hang_up, type_line
from tests.e2e.product import BARBER, Product

pytestmark = [pytest.mark.browser, pytest.mark.speech]


async def test_a_typed_call_is_answered_and_every_page_stands(running: Product) -> None:
    require_chromium()
    async with browser() as watched:
        page = watched.page
        await page.goto(f"{running.base}/#/call/{BARBER}")
        await page.click("#start-typed")
        await expect(page.locator("#say")).to_be_enabled(timeout=10_000)
        await type_line(page, "How much is a beard trim?")
        await expect(page.locator(".turn.agent").last).to_contain_text("18", timeout=15_000)
        call_id = await hang_up(page)
        record = await running.record(call_id)
        for route in ("sessions", f"sessions/{BARBER}/{call_id}", "leads", "tenants", f"tenants/{BARBER}"):
            await page.goto(f"{running.base}/#/{route}")
            await expect(page.locator(".skeleton")).to_have_count(0)
            await expect(page.get_by_role("alert")).to_have_count(0)
            await expect(page.locator("h1")).to_be_visible()
        assert watched.complaints == []
        assert watched.hosts <= {"localhost"}
    assert [turn["typed"] for turn in record["turns"] if turn["role"] == "caller"] == [True]
    assert record["end_reason"] == "caller_hangup"
