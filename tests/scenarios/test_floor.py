"""Who has the floor: barge-in, typed text, and a caller who stops reading."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from media_plane.engines.scripted import Reaction, Script, Speak
from tests.scenarios.house import LOUD, QUIET, Shell, dial, house, write_tenant

WORDS = " ".join(f"word{number}" for number in range(10, 50))
STORY = Script((Reaction("turn", (Speak(WORDS, 10_000),), "story"),), transcripts=("stop please",), echo=True)
BOTH = pytest.mark.parametrize("shell", ["sockets", "uvicorn"])


@BOTH
async def test_barge_in_flushes_and_only_what_was_heard_stays(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, STORY, shell=shell) as home, home.call() as caller:
        await caller.hears("audio.end")
        await caller.type("Tell me a story")
        began_ms = await caller.until(lambda: [at for at, one in caller.got if isinstance(one, dict) and one["type"] == "audio.begin"][1:])
        await caller.speak(2_000, QUIET)
        spoke_ms = caller.clock.monotonic_ms()
        await caller.speak(400, LOUD)
        cleared_ms = await caller.hears("audio.clear")
        await caller.speak(1_000, QUIET)
        await caller.hears("transcript", role="agent", text="stop please", final=True)
        await caller.hang_up()
        record = await home.record()
    assert cleared_ms - spoke_ms < 450
    answer_ms = [at for at, one in caller.got if isinstance(one, dict) and one["type"] == "audio.begin"][2]
    assert [at for at in caller.audio_after(cleared_ms + 100) if at < answer_ms] == []
    story = next(turn for turn in record.turns if turn.text.startswith("word10"))
    assert story.interrupted
    heard = len(story.heard_text.split())
    assert abs(heard - (cleared_ms - began_ms[0]) / 250) <= 1.2, "a word of the story lasts 250 ms"
    assert record.interruptions.caller == 1


async def test_typed_text_takes_the_floor(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, STORY) as home, home.call() as caller:
        await caller.hears("audio.end")
        await caller.type("Tell me a story")
        await caller.until(lambda: len(caller.messages("audio.begin")) == 2)
        await caller.type("Another thing")
        await caller.hears("transcript", role="agent", text="Another thing", final=True)
        await caller.hang_up()
        record = await home.record()
    assert [turn.text for turn in record.turns if turn.typed] == ["Tell me a story", "Another thing"]
    assert next(turn for turn in record.turns if turn.text == WORDS).interrupted


@pytest.mark.parametrize(("shell", "acks"), [("sockets", True), ("sockets", False), ("uvicorn", True), ("uvicorn", False)])
async def test_a_caller_who_stops_reading_hears_no_old_audio_afterwards(tmp_path: Path, shell: Shell, acks: bool) -> None:
    """A deaf stretch in a long answer: what waits for the caller afterwards is at most a second or so, and then the agent is current."""
    write_tenant(tmp_path / "tenants")
    long = Script((Reaction("turn", (Speak(WORDS, 9_000),)),), echo=True)
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf_s = 5.0
    async with house(tmp_path, long, shell=shell) as home:
        wire.connect(("127.0.0.1", int(home.url.rpartition(":")[2])))
        ordered = await home.order()
        async with dial(home.url, ordered.entry.call_id, ordered.ticket, sock=wire, max_queue=1) as caller:
            await caller.begin({"output": {"codec": "pcm_s16le", "sample_rate": 24_000}})
            await caller.hears("audio.end")
            await caller.type("Go on")
            item = (await caller.until(lambda: caller.messages("audio.begin")[1:]))[0]["item_id"]
            if acks:
                await caller.tell("audio.played", item_id=item, played_ms=20)
            before = len(caller.got)
            caller.connection.transport.pause_reading()
            await asyncio.sleep(deaf_s)
            caller.connection.transport.resume_reading()
            back_ms = caller.clock.monotonic_ms()
            while caller.at("audio.end", item_id=item) is None:
                await caller.speak(200, QUIET)
                if acks:
                    await caller.tell("audio.played", item_id=item, played_ms=9_000)
            waited = [one for at, one in caller.got[before:] if isinstance(one, bytes) and at < back_ms + 60]
            backlog_ms = sum(len(one) for one in waited) / 48
            total_ms = sum(len(one) for _, one in caller.got[before:] if isinstance(one, bytes)) / 48
            await caller.hang_up()
        record = await home.record()
    assert backlog_ms < 1_300, "what waited in the buffers of both machines"
    assert total_ms < 9_000 - deaf_s * 1000 + 1_500, f"{total_ms:.0f} ms came: what should have sounded meanwhile was sent late"
    assert total_ms > 1_500, "the agent is heard again"
    assert record.audio.dropped_frames > 100
