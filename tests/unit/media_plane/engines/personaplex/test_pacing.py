"""The input's clock and the model's debt: what is taken, what is filled in, when a model is given up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from media_plane.engines.personaplex.pacing import OWES_MS, Debt, InputClock, PacingSettings

LIMITS = PacingSettings()


# --- input clock -------------------------------------------------------------------------------------------------------------


def test_before_the_first_audio_nothing_is_missing_and_everything_is_taken() -> None:
    clock = InputClock(LIMITS)
    assert clock.missing_ms(1e9) == 0.0
    assert clock.admits(5.0, quiet=True) and not clock.running


def test_the_first_audio_is_dated_by_its_end() -> None:
    clock = InputClock(LIMITS)
    clock.give(60, 1_000)
    assert clock.ahead_ms(1_000) == 0.0


def test_a_burst_is_taken_until_it_stands_400_ms_ahead() -> None:
    clock, taken = InputClock(LIMITS), 0
    for _ in range(100):
        if clock.admits(0.0, quiet=False):
            clock.give(20, 0.0)
            taken += 1
    assert taken == 21, "the first 20 ms are the past"


def test_silence_is_left_out_while_the_input_stands_ahead_so_that_answers_are_not_late() -> None:
    clock = InputClock(LIMITS)
    clock.give(20, 0.0)
    clock.give(200, 0.0)
    assert clock.admits(0.0, quiet=False) and not clock.admits(0.0, quiet=True)
    assert clock.admits(60.0, quiet=True)


def test_a_client_that_sends_long_pieces_is_still_heard() -> None:
    clock = InputClock(LIMITS)
    for at_ms in range(1_000, 10_000, 1_000):
        assert clock.admits(at_ms, quiet=False)
        clock.give(1_000, at_ms)


@given(st.lists(st.floats(0.0, 500.0), max_size=60))
def test_whoever_fills_what_is_missing_is_never_further_behind_than_the_gap(waits_ms: list[float]) -> None:
    clock, at_ms = InputClock(LIMITS), 0.0
    clock.give(20, at_ms)
    for wait_ms in waits_ms:
        at_ms += wait_ms
        clock.give(clock.missing_ms(at_ms), at_ms)
        assert -clock.ahead_ms(at_ms) <= LIMITS.gap_ms + 1e-6
        assert clock.missing_ms(at_ms) < 1e-6


# --- debt --------------------------------------------------------------------------------------------------------------------


def test_a_model_that_answers_every_frame_is_never_given_up() -> None:
    debt = Debt(LIMITS)
    for frame in range(5_000):
        at_ms = frame * 80.0
        debt.send(80, at_ms)
        debt.receive(80, at_ms + 60)
        assert not debt.holding
        assert debt.verdict(at_ms + 60) is None


def test_a_model_without_input_owes_nothing_however_long_it_is_silent() -> None:
    debt = Debt(LIMITS)
    debt.send(OWES_MS, 0.0)
    assert debt.verdict(1e9) is None


def test_a_mute_model_is_given_up_five_seconds_after_it_began_to_owe() -> None:
    debt = Debt(LIMITS)
    for frame in range(100):
        at_ms = frame * 80.0
        if not debt.holding:
            debt.send(80, at_ms)
        loss = debt.verdict(at_ms)
        if loss is not None:
            break
    assert loss is not None and loss.code == "engine_mute"
    assert 5_000 < at_ms < 5_500


def test_a_slow_model_holds_silence_back_and_lets_it_go_when_it_has_caught_up() -> None:
    debt = Debt(LIMITS)
    debt.send(640, 0.0)
    assert not debt.holding
    debt.send(80, 0.0)
    assert debt.holding
    debt.receive(400, 10.0)
    assert debt.holding, "still 320 ms behind"
    debt.receive(80, 20.0)
    assert not debt.holding


def test_a_model_that_stays_behind_is_given_up_after_two_seconds() -> None:
    debt, at_ms, behind_since = Debt(LIMITS), 0.0, None
    for frame in range(1_000):
        at_ms = frame * 80.0
        debt.send(80, at_ms)
        if frame % 2:
            debt.receive(80, at_ms)  # half of real time
        if behind_since is None and debt.owed_ms > 3_000:
            behind_since = at_ms
        loss = debt.verdict(at_ms)
        if loss is not None:
            break
    assert behind_since is not None and loss is not None
    assert loss.code == "engine_lagging"
    assert 2_000 < at_ms - behind_since <= 2_160


def test_a_model_that_catches_up_in_time_is_kept() -> None:
    debt = Debt(LIMITS)
    debt.send(3_200, 0.0)
    debt.receive(80, 100.0)
    assert debt.verdict(1_950.0) is None
    debt.receive(1_000, 2_060.0)
    debt.send(1_000, 2_100.0)
    debt.receive(80, 2_100.0)
    assert debt.verdict(4_000.0) is None, "the two seconds begin anew"


def test_a_model_that_gives_more_than_it_got_hides_no_later_debt() -> None:
    debt = Debt(LIMITS)
    debt.send(80, 0.0)
    debt.receive(5_000, 0.0)
    debt.send(800, 0.0)
    assert debt.owed_ms == 800


@given(st.lists(st.tuples(st.sampled_from(["send", "receive"]), st.floats(0, 400), st.floats(0, 2_000)), max_size=80))
def test_the_debt_is_never_negative_and_holding_follows_it(steps: list[tuple[str, float, float]]) -> None:
    debt, at_ms = Debt(LIMITS), 0.0
    for what, duration_ms, wait_ms in steps:
        at_ms += wait_ms
        (debt.send if what == "send" else debt.receive)(duration_ms, at_ms)
        assert debt.owed_ms >= 0
        assert debt.holding or debt.owed_ms <= LIMITS.hold_ms
        assert not debt.holding or debt.owed_ms > OWES_MS
