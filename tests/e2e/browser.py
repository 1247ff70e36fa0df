"""Headless Chromium for end-to-end tests and pictures: started with a WAV file as its microphone, and watched for what must not happen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Page, Request, async_playwright

from tests.missing import missing

CHROMIUM = "/usr/bin/chromium"
_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)


def require_chromium() -> None:
    """Skip the test where Chromium is missing; in CI that is a failure."""
    if not Path(CHROMIUM).exists():
        missing("Chromium is missing: apt-get install chromium")


@dataclass(slots=True)
class Watched:
    """One page, and everything that it should not have done: console errors, failed scripts, requests to other hosts."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def note_request(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).hostname or request.url)


@asynccontextmanager
async def browser(
    *,
    wav: Path | None = None,
    microphone: bool = True,
    dark: bool = False,
    width_px: int = 1280,
    height_px: int = 820,
    script: str = "",
) -> AsyncIterator[Watched]:
    """A fresh headless Chromium with one page.

    Args:
        wav: what its microphone hears, once; without it the fake device beeps.
        microphone: whether the microphone is granted (True) or refused (False).
        script: JavaScript that runs in the page before its own.
    """
    args = [*_ARGS]
    if microphone:
        args.append("--use-fake-ui-for-media-stream")
    if wav is not None:
        args.append(f"--use-file-for-fake-audio-capture={wav}%noloop")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        try:
            context = await chromium.new_context(
                viewport={"width": width_px, "height": height_px}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
            )
            await context.add_init_script(script)
            yield await _watched(context, microphone)
        finally:
            await chromium.close()


async def _watched(context: BrowserContext, microphone: bool) -> Watched:
    if microphone:
        await context.grant_permissions(["microphone"])
    watched = Watched(await context.new_page())
    watched.page.set_default_timeout(8000)
    watched.page.on("console", lambda message: watched.complaints.append(message.text) if message.type in ("error", "warning") else None)
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    context.on("request", lambda request: watched.note_request(request))
    return watched


async def take_picture(url: str, path: Path, *, ready: str, wav: Path | None = None, dark: bool = False, width_px: int = 1280) -> None:
    """Save a PNG of a console page once the element ``ready`` (a selector) is there.

    On the call page the call is started first, so ``take_picture(f"{base}#/call", path, ready=".turn.agent")`` shows a live call.
    """
    async with browser(wav=wav, dark=dark, width_px=width_px) as watched:
        await watched.page.goto(url)
        if "#/call" in url:
            await watched.page.click("#start")
        await watched.page.wait_for_selector(ready)
        await watched.page.screenshot(path=path)
