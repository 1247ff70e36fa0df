"""One thread for a model: bounded, cancellable, closable."""

from __future__ import annotations

import asyncio
import threading

import pytest

from media_plane.speech_models.worker import Worker
from nexus.errors import UpstreamError


async def test_work_is_done_in_order_and_its_faults_come_back() -> None:
    worker = Worker("ear")
    done: list[int] = []
    await asyncio.gather(*(worker.run(done.append, number) for number in range(10)))
    assert done == list(range(10))
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 // 0)
    assert await worker.run(lambda: "still there") == "still there"
    worker.close()


async def test_beyond_its_room_work_is_refused_at_once_and_room_comes_back() -> None:
    worker, go = Worker("ear", most_waiting=2), threading.Event()
    waiting = [asyncio.create_task(worker.run(go.wait, 5)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(UpstreamError) as refused:
        await worker.run(lambda: None)
    assert (refused.value.code, refused.value.retryable) == ("speech_failed", True)
    go.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert await worker.run(lambda: 7) == 7
    worker.close()


async def test_work_cancelled_while_it_waits_never_runs_and_frees_its_place() -> None:
    worker, go, ran = Worker("ear", most_waiting=2), threading.Event(), threading.Event()
    first = asyncio.create_task(worker.run(go.wait, 5))
    second = asyncio.create_task(worker.run(ran.set))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    go.set()
    await first
    assert await worker.run(lambda: 7) == 7
    assert not ran.is_set()
    worker.close()


async def test_after_close_it_says_so() -> None:
    worker = Worker("ear")
    worker.close()
    with pytest.raises(UpstreamError) as refused:
        await worker.run(lambda: None)
    assert (refused.value.code, refused.value.retryable) == ("speech_failed", False)
