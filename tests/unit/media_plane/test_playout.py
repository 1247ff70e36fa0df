"""Playout paces, forgets and knows what was heard, whatever the order of engine, clock and client."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.audio import AudioFrame, silence
from media_plane.conversation.events import Heard, PlayoutFinished, PlayoutStarted, PlayoutStopped
from media_plane.playout import OutgoingFrame, Playout, PlayoutItem, PlayoutSettings


def tone(duration_ms: float, *, rate_hz: int = 16_000, value: int = 1_000) -> AudioFrame:
    return AudioFrame(np.full(int(duration_ms * rate_hz / 1000), value, "<i2").tobytes(), rate_hz)


def run(playout: Playout, from_ms: int, until_ms: int, step_ms: int = 10) -> list[tuple[int, PlayoutItem]]:
    return [(at, item) for at in range(from_ms, until_ms, step_ms) for item in playout.due(at)]


def sent_ms(items: list[tuple[int, PlayoutItem]]) -> float:
    return sum(item.frame.duration_ms for _, item in items if isinstance(item, OutgoingFrame))


def events(items: list[tuple[int, PlayoutItem]]) -> list[PlayoutItem]:
    return [item for _, item in items if not isinstance(item, OutgoingFrame)]


def test_an_item_is_sent_at_real_time_with_a_small_lead() -> None:
    playout = Playout()
    playout.add("a", tone(1_000))
    playout.end("a")
    seen: list[tuple[int, PlayoutItem]] = []
    for at in range(0, 1_100, 10):
        seen += [(at, item) for item in playout.due(at)]
        assert sent_ms(seen) <= at + 80 + 20
        assert sent_ms(seen) >= min(1_000, at + 60)
    assert sent_ms(seen) == 1_000
    assert {item.frame.samples for _, item in seen if isinstance(item, OutgoingFrame)} == {320}


def test_events_of_an_item_come_in_order_and_tell_what_was_heard() -> None:
    playout = Playout()
    playout.add("a", tone(240))
    playout.end("a")
    seen = run(playout, 0, 400)
    assert events(seen) == [PlayoutStarted("a"), Heard("a", 100.0), Heard("a", 200.0), PlayoutFinished("a", 240.0)]
    assert isinstance(seen[0][1], PlayoutStarted), "the start is told before the first frame, so that the client can be told first"
    assert next(at for at, item in seen if isinstance(item, PlayoutFinished)) == 240


def test_an_item_that_is_not_ended_does_not_finish() -> None:
    playout = Playout()
    playout.add("a", tone(100))
    assert not [item for _, item in run(playout, 0, 5_000) if isinstance(item, PlayoutFinished)]


def test_the_rest_of_an_item_is_filled_up_to_a_frame() -> None:
    playout = Playout()
    playout.add("a", tone(30))
    playout.end("a")
    frames = [item.frame for _, item in run(playout, 0, 100) if isinstance(item, OutgoingFrame)]
    assert [frame.samples for frame in frames] == [320, 320]
    assert frames[1].pcm[320:] == bytes(320)


def test_items_follow_each_other_without_a_gap_and_one_finishes_before_the_next_starts() -> None:
    playout = Playout()
    for item_id in ("a", "b"):
        playout.add(item_id, tone(200))
        playout.end(item_id)
    seen = run(playout, 0, 600)
    told = [item for item in events(seen) if not isinstance(item, Heard)]
    assert told == [PlayoutStarted("a"), PlayoutFinished("a", 200.0), PlayoutStarted("b"), PlayoutFinished("b", 200.0)]
    assert seen[-1][0] == 400


def test_a_next_item_ends_one_that_the_engine_forgot_to_end() -> None:
    playout = Playout()
    playout.add("a", tone(40))
    playout.add("b", tone(40))
    playout.end("b")
    assert PlayoutFinished("b", 40.0) in events(run(playout, 0, 300))


def test_an_ended_item_without_audio_finishes_at_once() -> None:
    playout = Playout()
    playout.end("a")
    assert playout.due(0) == (PlayoutFinished("a", 0.0),)


def test_late_audio_shifts_the_clock_of_its_item() -> None:
    playout = Playout()
    playout.add("a", tone(100))
    run(playout, 0, 500)
    playout.add("a", tone(200))
    playout.end("a")
    assert not playout.audible(500)
    seen = run(playout, 500, 1_000)
    assert next(at for at, item in seen if isinstance(item, PlayoutFinished)) == pytest.approx(690, abs=11)


def test_audio_that_comes_too_late_for_its_item_is_an_underrun() -> None:
    playout = Playout()
    for at in (0, 500, 1_000):
        playout.add("a", tone(100))
        run(playout, at, at + 400)
    playout.end("a")
    run(playout, 1_400, 1_500)
    assert playout.underruns == 2, "twice nothing was there while the agent had more to say"


@pytest.mark.parametrize("late_ms", [0, 60, 100, 110])
def test_audio_that_comes_while_the_last_still_sounds_is_none(late_ms: int) -> None:
    """The lead covers it, and a gap of less than a frame is not heard."""
    playout = Playout()
    playout.add("a", tone(100))
    run(playout, 0, late_ms)
    playout.add("a", tone(100))
    run(playout, late_ms, 600)
    assert playout.underruns == 0


def test_neither_the_silence_between_items_nor_an_interruption_nor_a_stalled_client_is_an_underrun() -> None:
    playout = Playout()
    playout.add("a", tone(100))
    playout.end("a")
    run(playout, 0, 900)
    playout.add("b", tone(200))
    run(playout, 900, 960)
    playout.stop(960)
    playout.add("c", tone(400))
    run(playout, 2_000, 2_100)
    playout.blocked(True)
    run(playout, 2_100, 2_300)
    playout.blocked(False)
    playout.end("c")
    run(playout, 2_300, 3_000)
    assert playout.underruns == 0


def test_stop_tells_what_was_heard_and_forgets_the_rest() -> None:
    playout = Playout()
    playout.add("a", tone(1_000))
    playout.add("b", tone(1_000))
    run(playout, 0, 310)
    assert playout.audible(310)
    assert playout.stop(310) == PlayoutStopped("a", 310.0)
    assert not playout.audible(310)
    assert playout.next_due_ms() is None
    for item_id in ("a", "b"):
        playout.add(item_id, tone(100))
        playout.end(item_id)
    assert run(playout, 310, 2_000) == []
    assert playout.stop(2_000) is None


def test_after_a_stop_a_new_item_is_heard_at_once() -> None:
    playout = Playout()
    playout.add("a", tone(1_000))
    run(playout, 0, 200)
    playout.stop(200)
    playout.add("c", tone(100))
    assert playout.due(200)[0] == PlayoutStarted("c")


def test_audio_of_a_finished_item_is_ignored() -> None:
    playout = Playout()
    playout.end("a")
    playout.due(0)
    playout.add("a", tone(100))
    assert run(playout, 20, 200) == []


def test_the_clients_word_refines_what_was_heard() -> None:
    playout = Playout()
    playout.add("a", tone(2_000))
    run(playout, 0, 500)
    playout.played("a", 300.0)
    assert playout.stop(500 + 50) == PlayoutStopped("a", 400.0), "without its word it were 550; what was told already is never taken back"


def test_the_client_cannot_have_heard_more_than_was_sent() -> None:
    playout = Playout()
    playout.add("a", tone(2_000))
    run(playout, 0, 110)
    playout.played("a", 60_000.0)
    stopped = playout.stop(110)
    assert stopped is not None
    assert stopped.heard_ms == playout.sent_ms == 200.0


def test_a_silent_client_is_trusted_for_a_moment_only() -> None:
    playout = Playout()
    playout.add("a", tone(5_000))
    run(playout, 0, 60)
    playout.played("a", 10.0)
    run(playout, 60, 900)
    stopped = playout.stop(900)
    assert stopped is not None
    assert stopped.heard_ms == pytest.approx(50 + 10 + 250 - 50, abs=11)


def test_an_item_finishes_though_the_client_never_reports_its_end() -> None:
    playout = Playout()
    playout.add("a", tone(900))
    playout.end("a")
    run(playout, 0, 20)
    playout.played("a", 5.0)
    seen = run(playout, 20, 3_000)
    at, finished = next((at, item) for at, item in seen if isinstance(item, PlayoutFinished))
    assert at == 1_900
    assert finished.heard_ms < 300


def test_a_blocked_socket_gets_no_old_audio() -> None:
    playout = Playout()
    playout.add("a", tone(3_000))
    playout.end("a")
    run(playout, 0, 200)
    playout.blocked(True)
    assert [item for _, item in run(playout, 200, 2_200) if isinstance(item, OutgoingFrame)] == []
    playout.blocked(False)
    rest = run(playout, 2_200, 4_000)
    assert playout.dropped_frames == pytest.approx((2_000 - 400) / 20, abs=2)
    assert sent_ms(rest) == pytest.approx(3_000 - 280 - playout.dropped_frames * 20, abs=1)
    finished = next(item for _, item in rest if isinstance(item, PlayoutFinished))
    assert finished.heard_ms == pytest.approx(3_000 - playout.dropped_frames * 20)


def test_a_client_that_stops_reporting_stops_the_flow() -> None:
    playout = Playout()
    playout.add("a", tone(10_000))
    run(playout, 0, 500)
    playout.played("a", 450.0)
    seen = run(playout, 500, 8_000)
    assert 900 <= sent_ms(seen) + 580 - 450 <= 1_020
    assert playout.dropped_frames > 250
    playout.played("a", 1_400.0)
    assert sent_ms(run(playout, 8_000, 8_100)) > 0


def test_short_items_do_not_hide_a_stalled_client() -> None:
    playout = Playout()
    playout.played("greeting", 500.0)
    total = 0.0
    for number in range(8):
        playout.add(f"i{number}", tone(600))
        playout.end(f"i{number}")
        total += sent_ms(run(playout, number * 2_000, (number + 1) * 2_000))
    assert total <= 1_020
    assert playout.dropped_frames > 0


def test_a_client_that_never_reports_is_sent_everything() -> None:
    playout = Playout()
    playout.add("a", tone(10_000))
    playout.end("a")
    assert sent_ms(run(playout, 0, 11_000)) == 10_000
    assert playout.dropped_frames == 0


def test_a_client_that_reports_is_sent_everything() -> None:
    playout = Playout()
    playout.add("a", tone(10_000))
    playout.end("a")
    total = 0.0
    for at in range(0, 11_000, 10):
        if at % 200 == 0:
            playout.played("a", max(0, at - 150))
        total += sent_ms([(at, item) for item in playout.due(at)])
    assert total == 10_000
    assert playout.dropped_frames == 0


def test_an_item_has_a_limit() -> None:
    playout = Playout(PlayoutSettings(item_limit_ms=1_000))
    for _ in range(100):
        playout.add("a", tone(100))
    playout.end("a")
    assert playout.dropped_frames == 450
    assert sent_ms(run(playout, 0, 2_000)) == 1_000


def test_a_change_of_rate_inside_an_item_is_played() -> None:
    playout = Playout()
    playout.add("a", tone(30, rate_hz=24_000))
    playout.add("a", tone(20, rate_hz=16_000))
    playout.end("a")
    rates = [item.frame.sample_rate_hz for _, item in run(playout, 0, 200) if isinstance(item, OutgoingFrame)]
    assert rates == [24_000, 24_000, 16_000]


def test_level_is_the_loudest_of_what_may_still_echo() -> None:
    playout = Playout()
    assert playout.level_db(0) is None
    playout.add("a", tone(100, value=8_000))
    playout.add("a", tone(900, value=80))
    run(playout, 0, 410)
    assert playout.level_db(410) == pytest.approx(-12.2, abs=0.2)
    run(playout, 410, 500)
    quiet = playout.level_db(500)
    assert quiet is not None and quiet < -50
    assert playout.level_db(2_000) is None


def test_next_due_is_when_due_has_something() -> None:
    playout = Playout()
    assert playout.next_due_ms() is None
    playout.add("a", tone(1_000))
    playout.end("a")
    at_ms, wakes, total = 0.0, 0, 0.0
    while (due := playout.next_due_ms()) is not None:
        assert due >= at_ms
        at_ms, wakes = due, wakes + 1
        total += sent_ms([(0, item) for item in playout.due(at_ms)])
    assert total == 1_000
    assert wakes < 60, "no busy loop"


actions = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 5), st.integers(1, 400)),
        st.tuples(st.just("end"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("pass"), st.just(0), st.integers(1, 500)),
        st.tuples(st.just("played"), st.integers(0, 5), st.integers(0, 1_000)),
        st.tuples(st.just("block"), st.just(0), st.integers(0, 1)),
        st.tuples(st.just("stop"), st.just(0), st.just(0)),
    ),
    max_size=60,
)


class Law:
    """Watches everything that leaves a playout and checks the laws that hold for any order of actions."""

    def __init__(self) -> None:
        self.dead: set[str] = set()
        self.sent: dict[str, float] = {}
        self.heard: dict[str, float] = {}
        self.total_ms = 0.0
        self.first_ms: float | None = None

    def see(self, at_ms: float, item: PlayoutItem | PlayoutStopped) -> None:
        assert item.item_id not in self.dead, "nothing of a finished or stopped item comes again"
        if isinstance(item, OutgoingFrame):
            assert list(self.sent) == sorted(self.sent) and item.item_id == max(self.sent), "items keep their order"
            self.sent[item.item_id] += item.frame.duration_ms
            self.total_ms += item.frame.duration_ms
            self.first_ms = at_ms if self.first_ms is None else self.first_ms
            assert self.total_ms <= at_ms - self.first_ms + 80 + 20 + self.allowance, "never further ahead than the lead"
        elif isinstance(item, PlayoutStarted):
            assert item.item_id not in self.sent, "an item starts once"
            self.sent[item.item_id] = 0.0
        else:
            assert item.heard_ms >= self.heard.get(item.item_id, 0.0), "heard is never taken back"
            assert item.heard_ms <= self.sent.get(item.item_id, 0.0) + 1e-6, "heard is never beyond sent"
            self.heard[item.item_id] = item.heard_ms
            if isinstance(item, PlayoutFinished | PlayoutStopped):
                self.dead.add(item.item_id)

    allowance = 0.0
    """A stop lets the next item begin a lead early again."""


@settings(max_examples=200, deadline=None)
@given(actions)
def test_laws_of_playout(script: list[tuple[str, int, int]]) -> None:
    playout, law, at_ms = Playout(), Law(), 0.0
    generation, highest = 0, -1
    for what, number, value in script:
        # engines number their items upwards and never go back
        highest = max(highest, number) if what == "add" else highest
        item_id = f"{generation:03}-{max(number, highest) if what == 'add' else number}"
        if what == "add":
            playout.add(item_id, silence(value, 16_000))
        elif what == "end" and number <= highest:
            playout.end(item_id)
        elif what == "played":
            playout.played(item_id, value)
        elif what == "block":
            playout.blocked(bool(value))
        elif what == "stop":
            stopped = playout.stop(at_ms)
            if stopped is not None:
                law.see(at_ms, stopped)
                law.allowance += 100.0
            assert not playout.audible(at_ms)
            assert playout.due(at_ms) == ()
            generation, highest = generation + 1, -1
        until = at_ms + (value if what == "pass" else 0)
        while at_ms <= until:
            for item in playout.due(at_ms):
                law.see(at_ms, item)
            at_ms += 10
    assert playout.sent_ms == pytest.approx(law.total_ms)
