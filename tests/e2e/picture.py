"""Pictures of the console from the real product: ``python -m tests.e2e.picture`` writes docs/images/console.png.

With a folder as argument, every page is drawn there too: light and dark, desktop and phone, filled by three short calls.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page, expect

from tests.e2e.browser import browser
from tests.e2e.product import BARBER, ROOT, Product, product
from tests.e2e.sound import SPEECH, joined

README_PICTURE = ROOT / "docs" / "images" / "console.png"
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
PHONE_NUMBER = "My number is 212 555 0147."


async def draw(folder: Path | None) -> None:
    """Start the product, hold calls, draw."""
    with tempfile.TemporaryDirectory() as temporary, product(Path(temporary)) as running:
        call_id = await booking(running, Path(temporary), README_PICTURE)
        if folder is None:
            return
        await text_only(running)
        await interrupted(running, Path(temporary))
        await running.record(call_id)
        for size in SIZES:
            for dark in (False, True):
                await pages(running, folder, size, dark, call_id)


async def booking(running: Product, folder: Path, picture: Path) -> str:
    """A spoken booking whose number is typed; the picture is taken while the agent confirms it."""
    book, name, yes = (SPEECH / f"caller_{part}.wav" for part in ("book_haircut", "name", "yes"))
    caller = joined(folder / "booking.wav", 5.5, book, 5.5, name, 23.0, yes, 40.0)
    width_px, height_px = SIZES["desktop"]
    async with browser(wav=caller, width_px=width_px, height_px=height_px) as watched:
        page = watched.page
        await start(page, running)
        await expect(page.locator(".turn.agent").last).to_contain_text("phone number", timeout=30_000)
        await expect(page.locator(".stage .state")).to_have_text("Listening", timeout=10_000)
        await type_line(page, PHONE_NUMBER)
        await expect(page.locator(".turn.agent").last).to_contain_text("You are booked", timeout=40_000)
        await expect(page.locator(".stage .state")).to_have_text("Speaking")
        await expect(page.locator(".turn.agent").last.locator(".chip")).to_be_visible()
        await page.wait_for_timeout(800)
        picture.parent.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=picture)
        return await hang_up(page)


async def text_only(running: Product) -> None:
    """A call held by typing."""
    async with browser() as watched:
        await watched.page.goto(f"{running.base}/#/call/{BARBER}")
        await watched.page.click("#start-typed")
        await expect(watched.page.locator("#say")).to_be_enabled(timeout=10_000)
        await type_line(watched.page, "How much is a beard trim?")
        await expect(watched.page.locator(".turn.agent").last).to_contain_text("18", timeout=15_000)
        await hang_up(watched.page)


async def interrupted(running: Product, folder: Path) -> None:
    """A caller who speaks over the greeting."""
    caller = joined(folder / "over.wav", 2.0, SPEECH / "caller_book_haircut.wav", 30.0)
    async with browser(wav=caller) as watched:
        await start(watched.page, running)
        await expect(watched.page.locator(".turn.agent").last).to_contain_text("What name", timeout=20_000)
        await hang_up(watched.page)


async def pages(running: Product, folder: Path, size: str, dark: bool, call_id: str) -> None:
    """Every page that reads, as one file each."""
    width_px, height_px = SIZES[size]
    routes = {"call": "call", "sessions": "sessions", "session": f"sessions/{BARBER}/{call_id}", "leads": "leads"}
    async with browser(dark=dark, width_px=width_px, height_px=height_px) as watched:
        for name, route in {**routes, "tenants": "tenants", "tenant": f"tenants/{BARBER}"}.items():
            await watched.page.goto(f"{running.base}/#/{route}")
            await expect(watched.page.locator(".skeleton")).to_have_count(0)
            await watched.page.screenshot(path=folder / f"{name}-{size}-{'dark' if dark else 'light'}.png", full_page=True)


async def start(page: Page, running: Product) -> None:
    await page.goto(f"{running.base}/#/call/{BARBER}")
    await page.click("#start")
    await expect(page.locator(".turn.agent").first).to_be_visible(timeout=10_000)


async def type_line(page: Page, text: str) -> None:
    await page.fill("#say", text)
    await page.press("#say", "Enter")


async def hang_up(page: Page) -> str:
    """End the call; its id."""
    call_id = await page.locator(".talk-facts code").inner_text()
    await page.click("#stop")
    await expect(page.locator(".end-card a.button")).to_be_visible(timeout=10_000)
    return call_id


if __name__ == "__main__":
    asyncio.run(draw(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
