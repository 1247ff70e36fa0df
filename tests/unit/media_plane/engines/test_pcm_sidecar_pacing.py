"""Pacing, by laws: nothing is lost or reordered, never far ahead of the caller, never behind without sound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from media_plane.audio import AudioFrame, silence
from media_plane.engines.pcm_sidecar_pacing import Pacing
from media_plane.ports.speech_line import LineEvent, LineNotice, ModelAudio, ModelFlush, ModelHeard, ModelText

AHEAD_BYTES, BEHIND_BYTES, FRAME_BYTES = 3_200, 6_400, 640


def sound(size_bytes: int) -> ModelAudio:
    return ModelAudio(AudioFrame(b"\x01\x02" * (size_bytes // 2), 16_000))


def audio_bytes(events: list[LineEvent], *, loud: bool = False) -> int:
    frames = [event.frame.pcm for event in events if isinstance(event, ModelAudio)]
    return sum(len(pcm) for pcm in frames if any(pcm) or not loud)


STEPS = st.lists(
    st.one_of(
        st.integers(1, 2_000).map(lambda samples: sound(samples * 2)),
        st.text(min_size=1, max_size=5).map(ModelText),
        st.integers(1, 800).map(lambda samples: AudioFrame(bytes(samples * 2), 16_000)),
    ),
    max_size=60,
)


@given(STEPS)
def test_nothing_is_lost_or_reordered_and_output_keeps_to_the_callers_time(steps: list[ModelAudio | ModelText | AudioFrame]) -> None:
    pacing = Pacing()
    fed_bytes, given_order, taken = 0, list[LineEvent](), list[LineEvent]()
    for step in steps:
        if isinstance(step, AudioFrame):
            pacing.fed(step)
            fed_bytes += len(step.pcm)
        else:
            assert pacing.put(step)
            given_order.append(step)
        taken += pacing.take()
        assert audio_bytes(taken) < fed_bytes + AHEAD_BYTES + FRAME_BYTES, "never further ahead than said"
        assert audio_bytes(taken) >= fed_bytes - BEHIND_BYTES, "never further behind than said"
    pacing.fed(silence(60_000, 16_000))
    taken += pacing.take()
    assert flattened(taken) == flattened(given_order)


def flattened(events: list[LineEvent]) -> list[str | int]:
    """Words at their place in the sound: the words, and between them the bytes of sound."""
    flat: list[str | int] = []
    for event in events:
        if isinstance(event, ModelText):
            flat.append(event.text)
        elif isinstance(event, ModelAudio) and any(event.frame.pcm):
            before = flat.pop() if flat and isinstance(flat[-1], int) else 0
            flat.append(int(before) + len(event.frame.pcm))
    return flat


@given(st.integers(0, 5))
def test_a_model_that_answers_frame_by_frame_passes_untouched(delay_frames: int) -> None:
    pacing, taken = Pacing(), list[LineEvent]()
    for i in range(100):
        pacing.fed(silence(20, 16_000))
        if i >= delay_frames:
            pacing.put(sound(640))
        taken += pacing.take()
    assert taken == [sound(640)] * (100 - delay_frames)


def test_late_silence_is_given_once_however_long_nobody_took() -> None:
    pacing = Pacing()
    for _ in range(50 * 60):
        pacing.fed(silence(20, 16_000))
    assert pacing.take() == [ModelAudio(silence(1_000, 16_000))]
    assert pacing.take() == []


def test_a_flush_overtakes_and_forgets() -> None:
    pacing = Pacing()
    pacing.put(sound(64_000))
    pacing.put(ModelText("never said"))
    pacing.put(ModelHeard("stop"))
    pacing.put(ModelFlush())
    assert pacing.take() == [ModelHeard("stop"), ModelFlush()]
    pacing.put(sound(640))
    assert pacing.take() == [sound(640)]


def test_beyond_its_room_audio_and_words_are_left_out_but_not_events() -> None:
    pacing = Pacing(room_ms=100)
    assert pacing.put(sound(3_200))
    assert not pacing.put(sound(640))
    assert not pacing.put(ModelText("too much"))
    assert pacing.put(ModelHeard("hello"))
    pacing.fed(silence(1_000, 16_000))
    assert audio_bytes(pacing.take(), loud=True) == 3_200
    assert pacing.put(sound(640)), "there is room again"


def test_the_memory_of_tiny_pieces_and_of_untaken_events_is_bounded() -> None:
    pacing = Pacing(room_ms=1_000)
    assert sum(pacing.put(ModelText("x")) for _ in range(10_000)) == 500
    for i in range(10_000):
        pacing.put(LineNotice("message_invalid", str(i)))
    events = pacing.take()
    assert [event.message for event in events if isinstance(event, LineNotice)] == [str(i) for i in range(9_744, 10_000)]
