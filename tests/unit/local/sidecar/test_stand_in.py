"""``nexus run`` without a PersonaPlex server: doubles in a child process, in development only, for as long as they are needed."""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import ClientConnectionError, ClientSession
from rich.console import Console

from local.doctor import examine
from local.sidecar.stand_in import needs_stand_in, with_stand_in
from nexus.settings.values import Settings, load_settings
from tests.fakes.sidecar_client import GOOD, talking

GIVEN = "ws://127.0.0.1:8998/api/chat"


def _settings(**given: object) -> Settings:
    return load_settings(None, **{"engine": "personaplex", "port": 0, **given})


@asynccontextmanager
async def _standing_in(settings: Settings) -> AsyncIterator[tuple[Settings, str]]:
    console = Console(file=io.StringIO(), width=200)
    async with with_stand_in(settings, console) as chosen:
        yield chosen, console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({}, True),
        ({"personaplex_ws_url": " , "}, True),
        ({"personaplex_ws_url": GIVEN}, False),
        ({"engine": "cascade"}, False),
        ({"environment": "production"}, False),
    ],
)
def test_when_they_are_needed(given: dict[str, str], *, needed: bool) -> None:
    assert needs_stand_in(_settings(**given)) is needed


async def test_they_serve_while_the_block_lasts_and_are_gone_afterwards() -> None:
    async with _standing_in(_settings()) as (chosen, told):
        urls = chosen.personaplex_ws_url.split(",")
        assert len(set(urls)) == 2
        assert "stand-in for the GPU model" in told
        async with talking(urls[0]) as one, talking(urls[1]) as two:
            for client in (one, two):
                await client.speak()
                assert len(await client.pages(1)) == 1
    for url in urls:
        with pytest.raises(ClientConnectionError):
            async with ClientSession() as session, session.ws_connect(url, params=GOOD):
                pass


async def test_they_end_with_a_call_still_connected() -> None:
    async with AsyncExitStack() as call:
        async with _standing_in(_settings()) as (chosen, _):
            client = await call.enter_async_context(talking(chosen.personaplex_ws_url.split(",")[0]))
            await client.speak()
            await client.pages(1)
            left = time.monotonic()
        assert time.monotonic() - left < 9.0, "it ended by itself when its standard input ended"
        assert await client.until_closed() == 1006


async def test_a_server_that_is_named_is_left_alone() -> None:
    async with _standing_in(_settings(personaplex_ws_url=GIVEN)) as (chosen, told):
        assert chosen.personaplex_ws_url == GIVEN
        assert told == ""


@pytest.mark.parametrize(
    ("given", "level"),
    [({}, "ok"), ({"environment": "production"}, "fault"), ({"personaplex_ws_url": GIVEN, "environment": "production"}, None)],
)
def test_the_doctor_says_so(given: dict[str, str], level: str | None) -> None:
    findings = [finding for finding in examine(_settings(**given)) if finding.name == "PersonaPlex" and "no server" in finding.detail]
    assert [finding.level for finding in findings] == ([level] if level else [])
    assert all("PERSONAPLEX_WS_URL=" in finding.detail + finding.fix for finding in findings)
