"""What an admin keeps of a tenant, at the running product: documents, and which version new calls get."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.e2e.browser import Watched, browser, require_chromium
from tests.e2e.product import Product

pytestmark = pytest.mark.browser
SHOP = "restaurant_demo"
NO_DRAFT = "Failed to load resource: the server responded with a status of 404 (Not Found)"


@pytest.fixture
async def watched(running: Product) -> AsyncIterator[Watched]:
    require_chromium()
    async with browser() as watched:
        yield watched


async def open_shop(page: Page, running: Product) -> None:
    await page.goto(f"{running.base}/#/tenants/{SHOP}")
    await expect(page.locator(".kept .skeleton")).to_have_count(0)


def put_draft(running: Product, config: dict[str, Any]) -> None:
    url = f"{running.base}/v1/tenants/{SHOP}/config/draft"
    headers = {"Content-Type": "application/json", "If-Match": "*"}
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(config).encode(), headers, method="PUT"), timeout=10).close()


async def test_documents_are_added_from_text_and_file_read_and_deleted(running: Product, watched: Watched, tmp_path: Path) -> None:
    page, shelf = watched.page, watched.page.locator("#knowledge")
    await open_shop(page, running)
    await expect(shelf).to_contain_text("Nothing yet. Add what callers ask about")
    await shelf.locator("summary", has_text="Add a document").click()
    await page.fill("#document-name", "Parking")
    await page.fill("#document-text", "Free behind the shop.")
    await shelf.locator("button", has_text="Add").click()
    await expect(shelf.locator(".documents li")).to_have_count(1)
    await expect(shelf.locator(".badge")).to_have_text("Ready")
    await expect(page.locator("#document-text")).to_have_value("")

    menu = tmp_path / "Menu.json"
    menu.write_text('{"pizza": ')
    await page.set_input_files("#document-file", menu)
    await expect(page.locator("#document-name")).to_have_value("Menu")
    await expect(page.locator("#document-kind")).to_have_value("application/json")
    await shelf.locator("button", has_text="Add").click()
    await expect(shelf.locator(".documents li")).to_have_count(2)
    await expect(shelf.locator(".document-fault")).to_contain_text("JSON")
    await expect(shelf.locator("button", has_text="Read again")).to_have_count(1)

    await page.fill("#document-name", "Parking")
    await page.fill("#document-text", "Once more.")
    await shelf.locator("button", has_text="Add").click()
    await expect(shelf.locator("[role=alert]")).to_contain_text("name")
    await expect(page.locator("#document-text")).to_have_value("Once more.")
    (tmp_path / "flyer.pdf").write_bytes(b"%PDF-1.7 \xff\xfe")
    await page.set_input_files("#document-file", tmp_path / "flyer.pdf")
    await expect(shelf.locator("[role=alert]")).to_contain_text("This file is no text")

    await shelf.locator("summary", has_text="Text").first.click()
    await expect(shelf.locator("pre").first).to_have_text("Free behind the shop.")
    for left in (1, 0):
        delete = shelf.locator(".documents button", has_text="Delete").first
        await delete.click()
        await expect(shelf.locator(".documents li")).to_have_count(left + 1)
        await shelf.locator("button", has_text="Delete for good?").click()
        await expect(shelf.locator(".documents li")).to_have_count(left)
    assert {one for one in watched.complaints if "409" not in one and one != NO_DRAFT} == set()


async def test_a_document_whose_answer_was_lost_is_sent_again_and_is_there_once(running: Product, watched: Watched) -> None:
    page, shelf, keys = watched.page, watched.page.locator("#knowledge"), list[str]()

    async def lose_the_first_answer(route: Route) -> None:
        if route.request.method != "POST":
            return await route.fallback()
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 1:
            return await route.fallback()
        await route.fetch()
        await route.abort()

    await page.route("**/v1/tenants/*/knowledge", lose_the_first_answer)
    await page.goto(f"{running.base}/#/tenants/pizza_shop_01")
    await shelf.locator("summary", has_text="Add a document").click()
    await page.fill("#document-name", "Parking")
    await page.fill("#document-text", "Free behind the shop.")
    await shelf.locator("button", has_text="Add").click()
    await expect(shelf.locator("[role=alert]")).to_contain_text("cannot be reached")
    await shelf.locator("button", has_text="Add").click()
    await expect(shelf.locator(".documents li")).to_have_count(1)
    assert len(keys) == 2 and len(set(keys)) == 1
    await shelf.locator(".documents button", has_text="Delete").click()
    await shelf.locator("button", has_text="Delete for good?").click()
    await expect(shelf.locator(".documents li")).to_have_count(0)


async def test_a_canary_is_started_raised_stopped_and_made_the_one_for_all(running: Product, watched: Watched) -> None:
    page, card = watched.page, watched.page.locator("#versions")
    await open_shop(page, running)
    await expect(page.locator("#shares")).to_contain_text("The tenant's folder")
    await expect(card).to_contain_text(f"nexus config push {SHOP}")
    put_draft(running, {"system_prompt": "You answer for a restaurant, kindly."})
    await page.reload()
    await page.fill("#canary-percent", "10")
    await card.locator("button", has_text="Start a canary").click()
    await expect(page.locator("#shares meter")).to_have_count(2)
    config = running.get(f"/tenants/{SHOP}/config")
    assert (config["version"], config["canary"]["percent"]) == (0, 10)
    version = config["canary"]["version"]
    await page.fill("#canary-percent", "40")
    await card.locator("button", has_text="Change the share").click()
    await expect(page.locator("#shares")).to_contain_text("60 %")
    await page.click("#canary-stop")
    await expect(page.locator("#shares meter")).to_have_count(1)
    await page.select_option("#canary-version", str(version))
    await card.locator("button", has_text="Start a canary").click()
    await card.locator("button", has_text="Give it to all calls").click()
    await card.locator("button", has_text=f"Version {version} for all?").click()
    await expect(card.locator(".badge")).to_have_text("Active")
    assert running.get(f"/tenants/{SHOP}/config")["version"] >= version

    put_draft(running, {"system_prompt": 7})
    await page.reload()
    await page.select_option("#canary-version", "draft")
    await card.locator("button", has_text="Start a canary").click()
    await expect(card.locator("[role=alert]")).to_contain_text("system_prompt")
    await expect(page.locator("#shares meter")).to_have_count(1)
