"""Booked by voice beside a model that has no tools: in the calendar once, whatever happens in the middle of the tool."""

# ruff: noqa: ASYNC110  (what is waited for is written by another process or another connection)

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from local.sidecar.options import SidecarOptions
from nexus.adapters.embedded import embedded_stores
from nexus.clock import Clock
from nexus.domain.session import SessionRecord
from tests.scenarios.house import TENANT, Caller, House, make_settings, write_tenant
from tests.scenarios.tone_house import tone_house
from tests.scenarios.tone_speech import Mic, heard_by, microphone

ROOT = Path(__file__).parents[2]
BARBER = "barber_shop_demo"
CONVERSES = SidecarOptions(mode="converse", setup_s=0.5)
BOOK = """
class Book(BaseTool):
    name = 'book_appointment'
    description = 'Book an appointment'
    effect = 'write'
    parameters = {}
    async def execute(self, context, **arguments):
        import asyncio
        seen = await context.store.list('booking')
        await context.store.put('booking/%d' % len(seen), {'n': len(seen)})
        await asyncio.sleep(SECONDS)
        return 'You are booked for noon.'
"""
WISH, YES = "Please book an appointment", "Yes please"


def write_shop(folder: Path, seconds: float, **config: Any) -> None:
    tools = BOOK.replace("SECONDS", str(seconds))
    limits = {"tool_timeout_s": 60, **config.pop("limits", {})}
    write_tenant(folder / "tenants", first_speaker="caller", tools=tools, enabled_tools=["book_appointment"], limits=limits, **config)


async def answered(caller: Caller, mic: Mic, text: str, within_s: float = 10) -> None:
    """Say it and wait for whatever the agent says to the end."""
    lines = len(caller.agent_lines())
    await mic.say(text)
    await caller.until(lambda: len(caller.agent_lines()) > lines, within_s)


async def tool_runs(caller: Caller, mic: Mic) -> None:
    """Ask for the booking, as often as the agent wants a confirmation."""
    await caller.hears("state", state="listening", within_s=20)
    await mic.say(WISH)
    for _ in range(3):
        lines = len(caller.agent_lines())
        await caller.until(lambda lines=lines: caller.at("tool", status="running") or len(caller.agent_lines()) > lines, 10)  # type: ignore[misc]
        if caller.at("tool", status="running"):
            return
        await caller.clock.sleep_ms(500)
        await mic.say(YES)
    await caller.hears("tool", status="running")


async def bookings(house: House) -> int:
    return len(await house.stores.tool_values.list(TENANT, "booking"))


async def begun(house: House) -> None:
    async with asyncio.timeout(10):
        while not await bookings(house):
            await asyncio.sleep(0.02)


def uses(record: SessionRecord) -> list[tuple[str, str]]:
    return [(use.name, use.status) for use in record.tools]


async def test_a_booking_by_voice_is_in_the_calendar_once(tmp_path: Path) -> None:
    """The real tools of the barber, in their own process, over the real store; the model's next session knows of the booking."""
    turns = ("I want to book a haircut on Friday at ten", "My name is Dana Smith", "My number is 212 555 0147", YES)
    async with tone_house(tmp_path, CONVERSES, speed=3, tenants_dir=ROOT / "tenants") as home:
        async with home.house.call(BARBER) as caller, microphone(caller, home.book) as mic:
            await caller.hears("audio.end", within_s=20)
            for turn in turns:
                await answered(caller, mic, turn)
                await caller.clock.sleep_ms(1_000)
            await caller.until(lambda: any("You are booked" in line for line in caller.agent_lines()))
            async with asyncio.timeout(15):
                while not all(double.sessions for double in home.doubles) or sum(double.busy for double in home.doubles) == 2:
                    await asyncio.sleep(0.05)
            await answered(caller, mic, "Thank you")
            await caller.hang_up()
        record = await home.house.record(BARBER)
        [slot] = await home.house.stores.tool_values.list(BARBER, "slot/")
        assert (slot.value["customer_name"], slot.value["call_id"]) == ("Dana Smith", record.id)
        assert slot.key.endswith("T10:00")
        assert uses(record) == [("book_appointment", "done")]
        assert any("You are booked" in text for text in heard_by(caller, home.book))
        assert len([turn for turn in record.turns if turn.role == "caller"]) == 5
        assert "false_confirmation" not in {event.event for event in record.transcript}
        assert [move.reason for move in record.engine_rotations] == ["facts"]
        assert "book appointment is done: You are booked" in home.sessions()[-1].used_prompt


async def test_a_rotation_in_the_middle_of_a_tool(tmp_path: Path) -> None:
    """The window of the model's memory ends while the tool runs."""
    write_shop(tmp_path, seconds=4)
    over: dict[str, Any] = {"speed": 4.0, "personaplex_rotate_after_s": 5, "personaplex_window_s": 10}
    async with tone_house(tmp_path, CONVERSES, **over) as home:
        async with home.house.call() as caller, microphone(caller, home.book) as mic:
            await tool_runs(caller, mic)
            await caller.hears("tool", status="done", within_s=15)
            await caller.until(lambda: any("booked for noon" in line for line in caller.agent_lines()))
            await caller.hang_up()
        record = await home.house.record()
        assert uses(record) == [("book_appointment", "done")]
        assert await bookings(home.house) == 1
        [use] = record.tools
        assert any(use.started_ms < move.at_ms < use.started_ms + use.duration_ms for move in record.engine_rotations)
        assert record.mode_changes == ()


async def test_an_engine_that_fails_in_the_middle_of_a_tool(tmp_path: Path) -> None:
    """The next engine brings the outcome; the tool is not run again."""
    write_shop(tmp_path, seconds=3)
    async with tone_house(tmp_path, CONVERSES, processes=1, personaplex_spares=0, speed=2) as home:
        async with home.house.call() as caller, microphone(caller, home.book) as mic:
            await tool_runs(caller, mic)
            await begun(home.house)
            home.doubles[0].faults.fail_after_frames = 0
            await caller.hears("mode_changed", reason="engine_lost", to="voice")
            await caller.hears("tool", status="done", within_s=15)
            await caller.until(lambda: any("booked for noon" in line for line in caller.agent_lines()), 10)
            await caller.hang_up()
        record = await home.house.record()
        assert uses(record) == [("book_appointment", "done")]
        assert await bookings(home.house) == 1


# --- the product's process killed -------------------------------------------------------------------------------------------------

SERVE = """
import asyncio, json, os, sys
from pathlib import Path
from tests.scenarios.duplex_house import duplex_house
from tests.scenarios.tone_speech import ToneBook, ToneEar, ToneVoice

class Elsewhere:
    def __init__(self, url): self.url = url

async def main():
    book = ToneBook()
    for sentence in json.loads(os.environ['SENTENCES']): book.chord(sentence)
    running = [Elsewhere(url) for url in os.environ['DOUBLES'].split(',')]
    async with duplex_house(Path(os.environ['FOLDER']), running=running, ear=ToneEar(book), voice=ToneVoice(book)) as built:
        print(built.house.url, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@asynccontextmanager
async def product(folder: Path, doubles: str, *sentences: str) -> AsyncIterator[tuple[House, asyncio.subprocess.Process]]:
    """The product in a process of its own whose ear knows these sentences."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder), "FOLDER": str(folder)}
    env |= {"DOUBLES": doubles, "SENTENCES": json.dumps(sentences)}
    running = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVE, env=env, cwd=folder, stdout=asyncio.subprocess.PIPE)
    try:
        assert running.stdout is not None
        async with asyncio.timeout(40):
            url = (await running.stdout.readline()).decode().strip()
        settings = make_settings(folder)
        yield House(url, settings, embedded_stores(settings), Clock()), running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def test_killed_in_the_middle_of_a_tool(tmp_path: Path) -> None:
    """The doubles live on; the product is started anew, tells what it knows, and takes the next call on the same processes."""
    write_shop(tmp_path, seconds=30)
    async with tone_house(tmp_path / "other", CONVERSES) as home:
        book, urls = home.book, ",".join(double.url for double in home.doubles)
        sentences = (WISH, YES, "Hello, how are you")
        for sentence in sentences:
            book.chord(sentence)
        async with product(tmp_path, urls, *sentences) as (house, running), house.call() as caller, microphone(caller, book) as mic:
            await tool_runs(caller, mic)
            await begun(house)
            running.send_signal(signal.SIGKILL)
            await caller.ended()
        async with product(tmp_path, urls, *sentences) as (house, _):
            record = await house.record(within_s=20)
            assert (record.end_reason, record.status) == ("lost", "failed")
            assert uses(record) == [("book_appointment", "unknown")]
            assert await bookings(house) == 1
            async with house.call() as caller, microphone(caller, book) as mic:
                await caller.hears("state", state="listening", within_s=20)
                await mic.say("Hello, how are you")
                await caller.hears("transcript", role="agent", final=True, text="Hi there! What can I do for you?", within_s=10)
                await caller.hang_up()
            assert await bookings(house) == 1
        assert home.built.most_open() == 1
