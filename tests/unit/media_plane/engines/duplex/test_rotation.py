"""A call on a model that forgets moves to fresh sessions in time, and brings along what was said."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from media_plane.ports.speech_line import (
    LineLost,
    LineNotice,
    LineRotated,
    ModelAudio,
    ModelText,
    Said,
)
from tests.unit.media_plane.engines.duplex.rotating import LOUD, POLICY, Bench, calling


class TestMoving:
    async def test_in_time_and_in_a_silence_the_call_moves(self) -> None:
        async with calling(Bench()) as bench:
            await bench.until(lambda: bench.all(LineRotated))
            (moved,) = bench.all(LineRotated)
            old, new = bench.made
            assert (moved.generation, moved.reason) == (2, "window")
            assert 0 <= moved.gap_ms <= 500
            assert bench.asked == [1, 2]
            assert new.brief is not None
            assert new.brief.generation == 2
            assert old.process is not new.process
            await bench.until(lambda: bench.free() == 1 and old.closed)
            assert bench.processes[new.process.address].open_now == 1
        span_ms = old.given_at_ms[-1] - old.given_at_ms[0]
        assert 4_000 <= span_ms <= 6_500

    async def test_it_moves_again_and_again_between_the_two(self) -> None:
        async with calling(Bench(policy=replace(POLICY, rotate_after_ms=1_000, window_ms=5_000))) as bench:
            await bench.until(lambda: len(bench.all(LineRotated)) >= 4)
            assert [moved.generation for moved in bench.all(LineRotated)][:4] == [2, 3, 4, 5]
            addresses = [line.process.address for line in bench.made[:4]]
            assert addresses == ["ws://p0", "ws://p1", "ws://p0", "ws://p1"]

    async def test_the_new_session_is_fed_silence_until_it_hears_the_caller_and_the_old_one_hears_no_more(self) -> None:
        async with calling(Bench()) as bench:
            await bench.until(lambda: bench.all(LineRotated))
            old, new = bench.made
            until_ms = old.given_at_ms[-1]
            heard_from_ms = new.given_at_ms[new.given.index(LOUD)]
            assert heard_from_ms >= until_ms
            fed = new.given[: new.given.index(LOUD)]
            assert fed
            assert not any(any(audio.frame.pcm) for audio in fed)
            assert new.listens_at_ms is not None
            assert new.given_at_ms[0] - new.listens_at_ms < 300
            count = len(old.given)
            await bench.clock.sleep_ms(500)
            assert len(old.given) == count
            assert set(new.given[new.given.index(LOUD) :]) == {LOUD}  # no silence among the caller's words

    async def test_nothing_of_an_older_generation_comes_after_the_move(self) -> None:
        bench = Bench()
        for process in bench.process:
            process.close_ms = 2_000
        async with calling(bench):
            await bench.until(lambda: bench.all(LineRotated))
            old, new = bench.made
            old.say(ModelText("old words"))
            old.lose()
            new.say(ModelText("new words"))
            await bench.until(lambda: bench.all(ModelText))
            await bench.clock.sleep_ms(500)
            assert bench.all(ModelText) == [ModelText("new words")]
            assert bench.all(LineLost) == []

    async def test_what_the_spare_says_before_the_move_is_never_heard(self) -> None:
        async with calling(Bench()) as bench:
            bench.line.busy(True)
            await bench.clock.sleep_ms(5_000)
            assert len(bench.made) == 1  # primed late: not while somebody speaks
            bench.line.busy(False)
            await bench.until(lambda: len(bench.made) == 2 and bench.made[1].given)
            bench.made[1].say(ModelText("nobody asked"))
            bench.line.busy(True)
            await bench.clock.sleep_ms(300)
            bench.line.busy(False)
            await bench.until(lambda: bench.all(LineRotated))
            assert bench.all(ModelText) == []

    async def test_words_that_come_before_the_first_audio_follow_the_move(self) -> None:
        bench = Bench(policy=replace(POLICY, rotate_after_ms=4_000, window_ms=6_000, connect_timeout_ms=1_000))
        bench.process[1].deaf = True
        async with calling(bench):
            await bench.until(lambda: len(bench.made) == 2 and LOUD in bench.made[1].given)
            bench.made[1].say(ModelText("Well"))
            await bench.clock.sleep_ms(100)
            assert bench.all(LineRotated) == []
            bench.process[1].deaf = False
            await bench.until(lambda: bench.all(ModelText))
            place = bench.got.index(ModelText("Well"))
            assert isinstance(bench.got[place - 1], LineRotated)
            assert isinstance(bench.got[place + 1], ModelAudio)

    async def test_while_somebody_is_busy_it_waits_and_at_the_end_of_the_window_it_moves_all_the_same(self) -> None:
        async with calling(Bench()) as bench:
            bench.line.busy(True)
            await bench.until(lambda: bench.all(LineRotated))
            old = bench.made[0]
            assert old.given_at_ms[-1] - old.given_at_ms[0] >= POLICY.window_ms - 50

    async def test_a_short_pause_is_no_moment(self) -> None:
        async with calling(Bench()) as bench:
            bench.line.busy(True)
            await bench.until(lambda: len(bench.made) == 2 and bench.made[1].given)
            for _ in range(4):
                bench.line.busy(False)
                await bench.clock.sleep_ms(120)
                bench.line.busy(True)
                await bench.clock.sleep_ms(60)
            assert bench.all(LineRotated) == []
            bench.line.busy(False)
            await bench.until(lambda: bench.all(LineRotated))

    async def test_a_model_that_is_given_nothing_does_not_grow_older(self) -> None:
        bench = Bench()
        await bench.pool.check_all()
        await bench.line.open(bench.brief)
        await bench.clock.sleep_ms(POLICY.window_ms + 1_000)
        assert (len(bench.made), bench.taken()) == (1, 1)
        await bench.line.close()

    async def test_a_line_without_a_window_never_moves(self) -> None:
        async with calling(Bench(policy=replace(POLICY, rotate_after_ms=inf, window_ms=inf))) as bench:
            bench.line.refresh()
            await bench.clock.sleep_ms(60_000)
            assert len(bench.made) == 1

    async def test_a_spare_that_waits_too_long_is_told_again(self) -> None:
        policy = replace(POLICY, rotate_after_ms=1_000, window_ms=90_000, connect_timeout_ms=60_000)
        bench = Bench(policy=policy)
        bench.process[1].close_ms = 800  # its process is free again only then
        async with calling(bench):
            await bench.until(lambda: len(bench.made) == 2)
            bench.line.busy(True)
            await bench.clock.sleep_ms(5_000)
            bench.said.append(Said("caller", "And on Sunday?"))
            await bench.clock.sleep_ms(12_000)
            assert len(bench.made) == 2
            bench.line.busy(False)
            bench.line.busy(True)
            await bench.until(lambda: bench.made[1].closed)
            bench.line.busy(False)
            await bench.until(lambda: bench.all(LineRotated))
            assert bench.made[-1].brief is not None
            assert bench.made[-1].brief.said == (Said("caller", "And on Sunday?"),)
            assert bench.all(LineNotice) == []


class TestNewFacts:
    async def test_a_settled_session_is_exchanged_for_one_that_knows_them(self) -> None:
        async with calling(Bench(policy=replace(POLICY, rotate_after_ms=300_000, window_ms=400_000))) as bench:
            await bench.clock.sleep_ms(15_000)
            bench.facts = ("Booked for Friday at ten.",)
            bench.line.refresh()
            await bench.clock.sleep_ms(3_000)
            assert len(bench.made) == 1
            await bench.until(lambda: bench.all(LineRotated))
            (moved,) = bench.all(LineRotated)
            assert moved.reason == "facts"
            assert bench.made[1].brief is not None
            assert bench.made[1].brief.facts == bench.facts
            await bench.clock.sleep_ms(30_000)
            assert len(bench.made) == 2  # told once

    async def test_a_spare_that_does_not_open_is_tried_again(self) -> None:
        bench = Bench(policy=replace(POLICY, rotate_after_ms=300_000, window_ms=400_000))
        bench.process[1].refuses = 1
        async with calling(bench):
            bench.line.refresh()
            await bench.until(lambda: bench.all(LineRotated))
            assert (bench.all(LineRotated)[0].reason, len(bench.made)) == ("facts", 3)

    async def test_without_a_spare_nobody_is_told_of_it(self) -> None:
        policy = replace(POLICY, rotate_after_ms=300_000, window_ms=400_000)
        async with calling(Bench(count=1, policy=policy)) as bench:
            bench.line.refresh()
            await bench.clock.sleep_ms(30_000)
            assert (bench.all(LineNotice), bench.all(LineLost), len(bench.made)) == ([], [], 1)
