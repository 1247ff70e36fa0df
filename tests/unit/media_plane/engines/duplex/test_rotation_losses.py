"""A process that is lost in a call is replaced, where there is one to take its place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from media_plane.engines.duplex.rotation_rules import NOTICE_EVERY_MS
from media_plane.ports.speech_line import (
    LineGap,
    LineLost,
    LineNotice,
    LineRotated,
    ModelAudio,
)
from tests.unit.media_plane.engines.duplex.rotating import POLICY, Bench, calling


class TestNoSpare:
    async def test_it_is_said_once_in_a_while_and_the_window_ends_the_line(self) -> None:
        policy = replace(POLICY, rotate_after_ms=2_000, window_ms=2_000 + NOTICE_EVERY_MS + 5_000)
        async with calling(Bench(count=1, policy=policy)) as bench:
            await bench.until(bench.ended.is_set)
            assert [notice.code for notice in bench.all(LineNotice)] == ["engine_no_spare"] * 2
            assert bench.got[-1].__class__ is LineLost
            assert bench.got[-1].code == "engine_window_ended"
            await bench.until(lambda: bench.free() == 1)

    async def test_a_spare_that_comes_free_is_taken_within_a_second_or_so(self) -> None:
        async with calling(Bench()) as bench:
            other = bench.pool.take("call_2", "rotation")
            await bench.until(lambda: bench.all(LineNotice))
            assert bench.all(LineRotated) == []
            freed_ms = bench.clock.monotonic_ms()
            other.give_back(sound=True)
            await bench.until(lambda: bench.all(LineRotated))
            assert bench.clock.monotonic_ms() - freed_ms < 2_500

    async def test_a_spare_that_does_not_open_is_tried_again(self) -> None:
        bench = Bench(count=3)
        bench.process[1].refuses = bench.process[2].refuses = 1
        async with calling(bench):
            await bench.until(lambda: bench.all(LineRotated))
            assert [notice.code for notice in bench.all(LineNotice)] == ["engine_unreachable"]
            assert bench.all(LineLost) == []

    async def test_a_spare_that_dies_while_it_waits_is_replaced(self) -> None:
        async with calling(Bench()) as bench:
            await bench.until(lambda: len(bench.made) == 2 and bench.made[1].given)
            bench.line.busy(True)
            bench.made[1].lose()
            await bench.until(lambda: bench.made[1].closed)
            bench.line.busy(False)
            await bench.until(lambda: bench.all(LineRotated))
            assert bench.all(LineLost) == []
            assert len(bench.made) == 3


class TestLost:
    @pytest.mark.parametrize("code", ["engine_lost", "engine_mute", "engine_lagging"])
    async def test_a_lost_session_is_replaced_once(self, code: str) -> None:
        async with calling(Bench()) as bench:
            await bench.until(lambda: bench.all(ModelAudio))
            bench.made[0].lose(code)
            await bench.until(lambda: bench.all(LineRotated))
            (moved,) = bench.all(LineRotated)
            assert bench.got[bench.got.index(moved) - 1] == LineGap(), "whoever listens may fill the gap"
            assert (moved.generation, moved.reason) == (2, "lost")
            assert moved.gap_ms < POLICY.move_within_ms
            bench.made[1].lose(code)
            await bench.until(bench.ended.is_set)
            assert bench.got[-1] == LineLost(code, "by hand")

    async def test_one_that_ends_without_a_word_is_lost_too(self) -> None:
        async with calling(Bench(policy=replace(POLICY, reconnects=0))) as bench:
            await bench.made[0].close()
            await bench.until(bench.ended.is_set)
            assert bench.got[-1].__class__ is LineLost
            assert bench.got[-1].code == "engine_lost"

    async def test_without_a_free_process_the_loss_is_told_at_once(self) -> None:
        async with calling(Bench(count=1)) as bench:
            await bench.until(lambda: bench.all(ModelAudio))
            bench.made[0].lose()
            began_ms = bench.clock.monotonic_ms()
            await bench.until(bench.ended.is_set)
            assert bench.clock.monotonic_ms() - began_ms < 1_000
            assert bench.all(LineRotated) == []

    async def test_a_replacement_that_takes_too_long_is_given_up(self) -> None:
        bench = Bench()
        bench.process[1].hangs = True
        async with calling(bench):
            await bench.until(lambda: bench.all(ModelAudio))
            bench.made[0].lose()
            began_ms = bench.clock.monotonic_ms()
            await bench.until(bench.ended.is_set)
            assert POLICY.move_within_ms - 50 <= bench.clock.monotonic_ms() - began_ms < POLICY.move_within_ms + 1_500
            assert bench.got[-1] == LineLost("engine_lost", "by hand")

    async def test_a_spare_that_is_ready_takes_over_at_once(self) -> None:
        async with calling(Bench(policy=replace(POLICY, reconnects=0))) as bench:
            bench.process[1].deaf = True  # so that it is not yet moved to
            await bench.until(lambda: len(bench.made) == 2 and bench.made[1].given)
            bench.made[0].lose()
            bench.process[1].deaf = False
            await bench.until(lambda: bench.all(LineRotated))
            (moved,) = bench.all(LineRotated)
            assert (moved.reason, len(bench.made)) == ("lost", 2)

    async def test_a_session_that_lived_a_minute_gives_the_right_back(self) -> None:
        policy = replace(POLICY, rotate_after_ms=400_000, window_ms=500_000)
        async with calling(Bench(policy=policy)) as bench:
            await bench.until(lambda: bench.all(ModelAudio))
            bench.made[0].lose()
            await bench.until(lambda: len(bench.all(LineRotated)) == 1)
            await bench.clock.sleep_ms(61_000)
            bench.made[1].lose()
            await bench.until(lambda: len(bench.all(LineRotated)) == 2)
            assert bench.all(LineLost) == []
