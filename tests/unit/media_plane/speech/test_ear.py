"""The whole ear on real sounds: voices are found, noise is not, the agent's echo is not the caller."""

from __future__ import annotations

import numpy as np
import pytest

from media_plane.audio import AudioFrame
from media_plane.speech.ear import Ear, EarSettings
from media_plane.speech.facts import BargeInDetected, CallerSpeech
from media_plane.speech.vad import InferenceSession, ScriptedDetector, SileroDetector
from media_plane.speech_models.silero import load_silero
from tests.unit.media_plane.speech.sounds import NAMES, Signal, at_level, babble, frame_of, keyboard, leak, listen, pink, voice, white


@pytest.fixture(scope="module")
def model() -> InferenceSession:
    return load_silero()


def onset_ms(signal: Signal) -> float:
    return float(np.flatnonzero(np.abs(signal) > 400)[0]) / 16


def kinds(facts: list[tuple[float, CallerSpeech | BargeInDetected]]) -> list[str]:
    return [fact.kind if isinstance(fact, CallerSpeech) else "barge_in" for _, fact in facts]


@pytest.mark.speech
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("noise_db", [-75.0, -45.0])
def test_every_sentence_is_one_utterance_found_at_once(model: InferenceSession, name: str, noise_db: float) -> None:
    said = voice(name)
    signal = np.concatenate([np.zeros(16_000), said, np.zeros(16_000)])
    facts = listen(Ear(SileroDetector(model)), signal + at_level(white(len(signal) / 16_000), noise_db))
    assert [kind for kind in kinds(facts) if kind not in ("paused", "resumed")] == ["started", "ended"]
    started_at, started = facts[0]
    assert isinstance(started, CallerSpeech)
    assert started.voice_start_ms == pytest.approx(1_000 + onset_ms(said), abs=60)
    assert started_at - (1_000 + onset_ms(said)) <= 160


@pytest.mark.speech
@pytest.mark.parametrize(
    "noise",
    [at_level(white(60), -35), at_level(pink(60), -35), at_level(keyboard(60), -32), at_level(babble(60), -35)],
    ids=["white", "pink", "keyboard", "babble"],
)
def test_a_minute_of_noise_is_no_turn(model: InferenceSession, noise: Signal) -> None:
    assert listen(Ear(SileroDetector(model)), noise) == []


def agent_voice() -> Signal:
    words = np.concatenate([voice(name) for name in ("book_tomorrow", "yes_please", "book_tomorrow", "wait_stop")])
    return words + np.where(words == 0, 1.0, 0.0)


@pytest.mark.speech
@pytest.mark.parametrize("loss_db", [-30.0, -20.0, -12.0])
def test_the_agents_own_echo_is_not_the_caller(model: InferenceSession, loss_db: float) -> None:
    agent = np.concatenate([agent_voice(), np.zeros(16_000)])
    assert listen(Ear(SileroDetector(model), EarSettings(sensitivity="high")), leak(agent, loss_db), agent) == []


@pytest.mark.speech
def test_without_the_gate_the_echo_would_be_a_turn(model: InferenceSession) -> None:
    assert "started" in kinds(listen(Ear(SileroDetector(model)), leak(agent_voice(), -20)))


@pytest.mark.speech
@pytest.mark.parametrize("at_s", [1.0, 2.3, 4.1])
@pytest.mark.parametrize("name", ["wait_stop", "hello_short", "yes_please"])
def test_a_caller_who_interrupts_is_heard_within_200_ms(model: InferenceSession, name: str, at_s: float) -> None:
    agent, said = agent_voice(), voice(name)
    microphone, start = leak(agent, -20), int(at_s * 16_000)
    microphone[start : start + len(said)] += said
    facts = listen(Ear(SileroDetector(model)), microphone, agent)
    assert kinds(facts)[:2] == ["barge_in", "started"]
    at_ms, barge_in = facts[0]
    assert isinstance(barge_in, BargeInDetected)
    onset = at_s * 1_000 + onset_ms(said)
    assert 0 < at_ms - onset <= 200
    assert barge_in.onset_ms == pytest.approx(onset, abs=100)


@pytest.mark.speech
def test_a_murmur_does_not_interrupt_at_low_sensitivity(model: InferenceSession) -> None:
    agent, said = agent_voice(), voice("uh_huh")
    microphone = leak(agent, -30)
    microphone[32_000 : 32_000 + len(said)] += said
    assert listen(Ear(SileroDetector(model), EarSettings(sensitivity="low")), microphone, agent) == []


# --- with a detector that calls everything loud a voice: quick, and the logic alone ---------------------------------------------


def loud(duration_ms: int, level: float = 3_000.0) -> Signal:
    return np.full(duration_ms * 16, level)


def quiet(duration_ms: int) -> Signal:
    return np.zeros(duration_ms * 16)


def test_frames_of_any_length_give_the_same_facts() -> None:
    signal = np.concatenate([quiet(300), loud(500), quiet(1_000)])
    whole, pieces = Ear(ScriptedDetector()), Ear(ScriptedDetector())
    expected = [fact for _, fact in listen(whole, signal)]
    got: list[CallerSpeech | BargeInDetected] = []
    for start in range(0, len(signal), 960):
        frame = frame_of(signal[start : start + 960])
        got += pieces.hear(frame, start / 16 + frame.duration_ms, agent_audible=False, agent_level_db=None)
    assert got == expected
    assert expected[0] == CallerSpeech("started", 300.0)


def test_a_voice_that_goes_on_interrupts_each_time_the_agent_begins() -> None:
    agent = np.concatenate([quiet(500), loud(500, 300), quiet(600), loud(500, 300)])
    facts = kinds(listen(Ear(ScriptedDetector()), loud(2_100), agent))
    assert facts == ["started", "barge_in", "barge_in"]


def test_in_the_tail_of_the_echo_a_voice_is_a_turn_but_no_barge_in() -> None:
    agent = np.concatenate([loud(500, 3_000), quiet(1_500)])
    tail = np.concatenate([quiet(520), loud(160, 300), quiet(320), loud(400), quiet(600)])
    facts = listen(Ear(ScriptedDetector(200)), tail, agent)
    assert kinds(facts)[0] == "started"
    first = facts[0][1]
    assert isinstance(first, CallerSpeech)
    assert first.voice_start_ms == 1_000.0, "the echo at 520 ms was left aside"


def test_silence_from_a_frame_without_samples() -> None:
    assert Ear(ScriptedDetector()).hear(AudioFrame(b"", 16_000), 20, agent_audible=False, agent_level_db=None) == ()
