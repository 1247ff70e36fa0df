"""The echo gate learns the room and stays honest; the detector counts voice; levels are dBFS."""

from __future__ import annotations

import numpy as np
import pytest

from media_plane.audio import AudioFrame, silence
from media_plane.speech.barge_in import FIRST_GAIN_DB, GAIN_RANGE_DB, SETTINGS, BargeInDetector, EchoGate, Sensitivity
from media_plane.speech.facts import BargeInDetected
from media_plane.speech.level import FLOOR_DB, LevelWindow, rms_db


def at_db(level_db: float) -> AudioFrame:
    return AudioFrame(np.full(320, round(32_768 * 10 ** (level_db / 20)), "<i2").tobytes(), 16_000)


def pass_frames(gate: EchoGate, count: int, mic_db: float, agent_db: float) -> int:
    return sum(gate.passes(mic_db, agent_db) for _ in range(count))


def test_without_an_agent_everything_is_the_caller() -> None:
    assert EchoGate(9.0).passes(-90.0, None)


def test_an_echo_at_the_first_guess_does_not_pass_before_anything_was_learned() -> None:
    assert pass_frames(EchoGate(9.0), 500, -35.0, -20.0) == 0


@pytest.mark.parametrize("loss_db", [-35.0, -25.0, -18.0])
def test_the_gate_learns_the_echo_path(loss_db: float) -> None:
    gate = EchoGate(9.0)
    assert pass_frames(gate, 500, -20.0 + loss_db, -20.0) == 0
    assert gate.gain_db == pytest.approx(loss_db, abs=1.0)
    assert gate.passes(-20.0 + loss_db + 10.0, -20.0)


def test_a_soft_caller_is_heard_once_the_room_is_known_to_be_silent() -> None:
    gate = EchoGate(9.0)
    assert not gate.passes(-40.0, -20.0)
    pass_frames(gate, 500, -75.0, -20.0)
    assert gate.gain_db >= GAIN_RANGE_DB[0]
    assert gate.passes(-40.0, -20.0)


def test_a_louder_echo_is_learned_without_being_taken_for_the_caller() -> None:
    gate = EchoGate(9.0)
    pass_frames(gate, 500, -50.0, -20.0)
    assert pass_frames(gate, 100, -45.0, -20.0) == 0
    assert gate.gain_db == pytest.approx(-25.0, abs=1.0)


def test_a_callers_voice_teaches_nothing() -> None:
    gate = EchoGate(9.0)
    assert pass_frames(gate, 500, -18.0, -20.0) == 500
    assert gate.gain_db == FIRST_GAIN_DB


def test_a_silent_agent_teaches_nothing() -> None:
    gate = EchoGate(9.0)
    pass_frames(gate, 500, -75.0, -60.0)
    assert gate.gain_db == FIRST_GAIN_DB


def hear(detector: BargeInDetector, start_ms: int, duration_ms: int, probability: float = 0.9) -> list[tuple[int, BargeInDetected]]:
    found = []
    for at_ms in range(start_ms + 20, start_ms + duration_ms + 20, 20):
        fact = detector.hear(at_db(-20.0), probability, -30.0, at_ms)
        found += [(at_ms, fact)] if fact else []
    return found


@pytest.mark.parametrize(("sensitivity", "after_ms"), [("high", 80), ("medium", 120), ("low", 340)])
def test_sensitivity_is_how_much_voice_it_takes(sensitivity: Sensitivity, after_ms: int) -> None:
    detector = BargeInDetector(sensitivity)
    assert hear(detector, 0, 1_000) == [(after_ms, BargeInDetected(0.0))]
    assert SETTINGS[sensitivity].speech_ms == after_ms


def test_voice_in_crumbs_is_no_barge_in() -> None:
    detector = BargeInDetector("medium")
    for start in range(0, 5_000, 200):
        assert hear(detector, start, 80) == []
        assert hear(detector, start + 80, 120, probability=0.1) == []


def test_a_short_hole_is_bridged_and_a_new_voice_counts_anew() -> None:
    detector = BargeInDetector("medium")
    assert hear(detector, 0, 80) + hear(detector, 80, 40, 0.1) + hear(detector, 120, 40) == [(160, BargeInDetected(0.0))]
    assert hear(detector, 160, 400, 0.0) == []
    assert hear(detector, 560, 400) == [(680, BargeInDetected(560.0))]


def test_levels_are_dbfs() -> None:
    assert rms_db(at_db(-20.0)) == pytest.approx(-20.0, abs=0.01)
    assert rms_db(silence(20, 16_000)) == FLOOR_DB
    assert rms_db(AudioFrame(b"", 16_000)) == FLOOR_DB
    assert rms_db(AudioFrame(b"\x00\x80" * 320, 16_000)) == pytest.approx(0.0, abs=1e-4)


def test_the_window_keeps_the_loudest_of_its_time() -> None:
    window = LevelWindow(320)
    assert window.loudest_db(0) is None
    for at_ms, level_db in ((20, -30.0), (40, -10.0), (60, -20.0), (400, -40.0)):
        window.note(at_ms, level_db)
    assert window.loudest_db(360) == -10.0
    assert window.loudest_db(365) == -20.0
    assert window.loudest_db(500) == -40.0
    assert window.loudest_db(721) is None
