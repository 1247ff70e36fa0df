"""The tape's laws: both sides equally long, everything where it sounded, nothing that was never heard, little held."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from media_plane.audio import AudioFrame
from media_plane.recording.tape import AHEAD_LIMIT_MS, TAPE_RATE_HZ, StereoTape

PER_MS = TAPE_RATE_HZ // 1000


def sound(duration_ms: float, level: int = 1_000, rate_hz: int = TAPE_RATE_HZ) -> AudioFrame:
    return AudioFrame(np.full(int(duration_ms * rate_hz / 1000), level, "<i2").tobytes(), rate_hz)


def heard(pcm: bytes, over: int = 500) -> list[tuple[int, int]]:
    """When there is sound, as (from, to) in ms."""
    loud = np.concatenate(([0], (np.abs(np.frombuffer(pcm, "<i2").astype(int)) > over).astype(int), [0]))
    edges = np.flatnonzero(np.diff(loud))
    return [(int(begin) // PER_MS, int(end) // PER_MS) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def test_each_voice_lies_on_its_side_where_it_sounded() -> None:
    tape = StereoTape()
    for at in range(100, 300, 20):
        tape.caller(sound(20), at)
    for at in range(500, 600, 20):
        tape.agent(sound(20), at)
    left, right = tape.finish(1_000)
    assert (heard(left), heard(right)) == ([(100, 300)], [(500, 600)])
    assert len(left) == len(right) == 1_000 * PER_MS * 2


def test_a_microphone_that_jitters_is_laid_on_in_one_piece() -> None:
    tape = StereoTape()
    for number, jitter in enumerate((0, 15, -12, 40, 3)):
        tape.caller(sound(20), 100 + 20 * number + jitter)
    assert heard(tape.finish(400)[0]) == [(100, 200)]


def test_a_gap_stays_a_gap() -> None:
    tape = StereoTape()
    tape.caller(sound(20), 100)
    tape.caller(sound(20), 400)
    assert heard(tape.finish(500)[0]) == [(100, 120), (400, 420)]


def test_what_was_stopped_was_never_heard_and_what_follows_begins_in_time() -> None:
    tape = StereoTape()
    for at in range(0, 200, 20):
        tape.agent(sound(20, rate_hz=24_000), at)
    tape.agent_stopped(130)
    tape.agent(sound(100, rate_hz=24_000), 300)
    spans = heard(tape.finish(500)[1], over=100)
    assert len(spans) == 2
    assert abs(spans[0][1] - 130) <= 1 and abs(spans[1][0] - 300) <= 3


def test_a_caller_who_sends_far_ahead_of_time_is_cut_not_held() -> None:
    tape = StereoTape()
    for _ in range(1_000):
        tape.caller(sound(20), 100)
    assert tape.waiting_ms <= 100 + AHEAD_LIMIT_MS + 20
    assert len(tape.finish(200)[0]) == 200 * PER_MS * 2


def test_what_comes_late_still_finds_its_place_and_what_comes_too_late_is_heard_late() -> None:
    tape = StereoTape(lag_ms=600)
    assert len(tape.cut(1_000)[0]) == 400 * PER_MS * 2
    tape.caller(sound(20), 450)
    assert heard(tape.cut(1_200)[0]) == [(50, 70)]
    tape.caller(sound(20), 100)
    assert heard(tape.finish(1_300)[0]) == [(0, 20)]


FRAMES = st.lists(st.tuples(st.booleans(), st.floats(0, 5_000), st.integers(1, 60)), max_size=40)


@given(FRAMES, st.lists(st.floats(0, 6_000), max_size=10))
def test_however_it_is_cut_the_sides_are_equally_long_and_whole(frames: list[tuple[bool, float, int]], cuts: list[float]) -> None:
    tape, given_bytes = StereoTape(), 0
    for (by_caller, at_ms, length_ms), cut_ms in zip(sorted(frames, key=lambda one: one[1]), [*sorted(cuts), *[0.0] * 40], strict=False):
        (tape.caller if by_caller else tape.agent)(sound(length_ms), at_ms)
        left, right = tape.cut(cut_ms)
        assert len(left) == len(right) and len(left) % (20 * PER_MS * 2) == 0
        given_bytes += len(left)
    left, right = tape.finish(6_000)
    assert len(left) == len(right) and given_bytes + len(left) == 6_000 * PER_MS * 2
