"""The way out of an engine, and the life of its tasks."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.audio import AudioFrame, silence
from media_plane.conversation.events import AgentItemEnded, AgentText, EngineEvent, EngineFailed
from media_plane.engines.outbox import Outbox
from media_plane.engines.supervision import Supervision
from media_plane.engines.utterance import UtteranceBuffer, quietest_place
from nexus.errors import UpstreamError


async def rest(outbox: Outbox) -> list[EngineEvent]:
    async with asyncio.timeout(5):
        return [event async for event in outbox.events()]


class TestOutbox:
    async def test_events_keep_their_order_until_the_end(self) -> None:
        outbox = Outbox()
        events = [AgentText("i", str(number)) for number in range(5)]
        for event in events:
            await outbox.put(event)
        await outbox.finish(EngineFailed("engine_lost", "x"))
        await outbox.put(AgentText("i", "after the end"))
        assert await rest(outbox) == [*events, EngineFailed("engine_lost", "x")]
        assert await rest(outbox) == []

    async def test_a_full_outbox_makes_the_engine_wait_and_loses_nothing(self) -> None:
        outbox = Outbox()
        events = [AgentText("i", str(number)) for number in range(400)]
        given_out = 0

        async def fill() -> None:
            nonlocal given_out
            for event in events:
                await outbox.put(event)
                given_out += 1
            await outbox.finish(AgentItemEnded("i"))

        task = asyncio.create_task(fill())
        await asyncio.sleep(0)
        assert 0 < given_out < 400
        assert await rest(outbox) == [*events, AgentItemEnded("i")]
        await task

    async def test_a_silenced_item_is_dropped_even_where_it_waits_but_its_end_is_told(self) -> None:
        outbox = Outbox()
        for event in (AgentText("a", "x"), AgentText("b", "y"), AgentItemEnded("a")):
            await outbox.put(event)
        outbox.silence("a")
        await outbox.finish(AgentItemEnded("b"))
        assert await rest(outbox) == [AgentText("b", "y"), AgentItemEnded("a"), AgentItemEnded("b")]

    async def test_close_drops_what_waits(self) -> None:
        outbox = Outbox()
        await outbox.put(AgentText("a", "x"))
        outbox.close()
        outbox.close()
        assert await rest(outbox) == []


class TestSupervision:
    @pytest.mark.parametrize(
        ("error", "code"), [(UpstreamError("model_failed", "No."), "model_failed"), (RuntimeError("secret"), "engine_lost")]
    )
    async def test_a_fault_ends_every_job_and_becomes_one_event_without_secrets(self, error: Exception, code: str) -> None:
        outbox, stopped = Outbox(), asyncio.Event()

        async def breaks(_: asyncio.TaskGroup) -> None:
            raise error

        async def waits(_: asyncio.TaskGroup) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

        life = Supervision(outbox)
        life.begin(waits, breaks)
        (failed,) = await rest(outbox)
        assert isinstance(failed, EngineFailed)
        assert failed.code == code
        assert "secret" not in failed.message
        assert stopped.is_set()
        await life.stop()

    async def test_stop_waits_until_the_jobs_are_gone_and_may_come_twice(self) -> None:
        before = asyncio.all_tasks()
        outbox = Outbox()

        async def waits(_: asyncio.TaskGroup) -> None:
            await asyncio.Event().wait()

        life = Supervision(outbox)
        life.begin(waits, waits)
        await asyncio.sleep(0)
        await life.stop()
        await life.stop()
        assert asyncio.all_tasks() <= before
        assert await rest(outbox) == []


class TestUtterance:
    @given(lengths_ms=st.lists(st.integers(1, 400), max_size=40), starts_at=st.integers(0, 10))
    def test_no_sample_of_an_utterance_is_lost_or_doubled(self, lengths_ms: list[int], starts_at: int) -> None:
        buffer = UtteranceBuffer(preroll_ms=300, longest_ms=1_000)
        everything, kept, before = b"", b"", 0
        for index, length_ms in enumerate(lengths_ms):
            if index == starts_at:
                buffer.begin()
                before = min(len(everything), 300 * 32)
            pcm = bytes([index % 251, 1]) * (length_ms * 16)
            everything += pcm
            piece = buffer.append(AudioFrame(pcm, 16_000))
            kept += b"" if piece is None else piece.pcm
            assert piece is None or piece.duration_ms <= 1_000 + 400
        if starts_at < len(lengths_ms):
            said = sum(lengths_ms[starts_at:]) * 32
            assert kept + buffer.end().pcm == everything[len(everything) - said - before :]

    def test_before_speech_only_the_preroll_is_kept(self) -> None:
        buffer = UtteranceBuffer(preroll_ms=300, longest_ms=1_000)
        for _ in range(100):
            assert buffer.append(silence(20, 16_000)) is None
        assert buffer.snapshot().duration_ms == 300

    def test_it_is_cut_where_it_is_quiet(self) -> None:
        loud, quiet = b"\x00\x20" * 16_000, bytes(2 * 3_200)
        cut = quietest_place(loud + quiet + loud)
        assert len(loud) <= cut <= len(loud) + len(quiet)
        assert cut % 2 == 0
