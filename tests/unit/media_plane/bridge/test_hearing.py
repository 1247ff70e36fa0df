"""The caller's audio on its way in: no second is given twice to a model, none is kept from an ear."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.audio import AudioFrame, silence
from media_plane.bridge.hearing import Hearing
from media_plane.conversation.commands import CallerAudio
from media_plane.engines.scripted import tone
from media_plane.playout import Playout
from media_plane.speech.ear import Ear
from media_plane.speech.facts import BargeInDetected, CallerSpeech
from media_plane.speech.vad import ScriptedDetector

LOUD, QUIET = tone(20, 16_000), silence(20, 16_000)
TICK_MS = 100
MOST_MS = 400.0


@dataclass
class Line:
    """The engine's end; ``at_ms`` is set by the test."""

    given: list[CallerAudio] = field(default_factory=list)

    def send(self, value: CallerAudio) -> None:
        self.given.append(value)

    def model_ms(self) -> float:
        return sum(one.frame.duration_ms for one in self.given if not one.late)

    def heard_words(self) -> list[bytes]:
        """The packets that reached an ear, in order."""
        return [packet for one in self.given for packet in one.packets]


@dataclass
class Room:
    """A caller's microphone, a network that holds up what it says, and a clock that ticks every 100 ms."""

    line: Line = field(default_factory=Line)
    facts: list[CallerSpeech | BargeInDetected] = field(default_factory=list)
    now_ms: int = 0
    sent: list[bytes] = field(default_factory=list)
    worst_ms: float = 0.0

    def __post_init__(self) -> None:
        self.hearing = Hearing(self.line, Ear(ScriptedDetector()), Playout(), self.facts.append)

    def pass_ms(self, duration_ms: int) -> None:
        for _ in range(duration_ms // 20):
            self.now_ms += 20
            if self.now_ms % TICK_MS == 0:
                self.hearing.fill_gap(self.now_ms)
            self.look()

    def look(self) -> None:
        self.worst_ms = max(self.worst_ms, abs(self.line.model_ms() - self.now_ms))

    def arrives(self, frame: AudioFrame) -> None:
        self.sent.append(b"%d" % len(self.sent))
        self.hearing.hear(frame, (self.sent[-1],), self.now_ms)
        self.look()

    def speaks(self, duration_ms: int, frame: AudioFrame = LOUD) -> None:
        """In real time, without any trouble."""
        for _ in range(duration_ms // 20):
            self.pass_ms(20)
            self.arrives(frame)

    def stalls(self, duration_ms: int, *, share: float = 1.0, frame: AudioFrame = LOUD) -> None:
        """Nothing comes, then (some of) what was said meanwhile comes at once."""
        self.pass_ms(duration_ms)
        for _ in range(int(duration_ms * share) // 20):
            self.arrives(frame)


def listening() -> Room:
    room = Room()
    room.hearing.begin(0)
    return room


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["speech", "silence", "stall", "half lost", "lost"]), st.integers(1, 25).map(lambda tenths: tenths * 100)
        ),
        max_size=6,
    )
)
def test_a_model_is_given_as_much_as_time_passes_and_an_ear_everything(course: list[tuple[str, int]]) -> None:
    room = listening()
    for what, duration_ms in course:
        match what:
            case "speech":
                room.speaks(duration_ms)
            case "silence":
                room.speaks(duration_ms, QUIET)
            case "stall":
                room.stalls(duration_ms)
            case "half lost":
                room.stalls(duration_ms, share=0.5)
            case _:
                room.stalls(duration_ms, share=0.0)
    assert room.worst_ms <= MOST_MS
    assert room.line.heard_words() == room.sent


def test_a_burst_that_nothing_stood_in_for_is_given_whole() -> None:
    room = listening()
    room.speaks(1_000)
    room.stalls(280)
    room.speaks(1_000)
    assert not any(one.late for one in room.line.given)
    assert all(one.packets for one in room.line.given)


def test_after_a_burst_the_model_comes_back_into_step_in_the_next_silence() -> None:
    room = listening()
    room.speaks(1_000)
    room.stalls(1_000)
    room.speaks(500)
    assert room.line.model_ms() - room.now_ms > 200
    room.speaks(500, QUIET)
    assert room.line.model_ms() - room.now_ms <= 120


def test_a_stall_is_no_reason_to_tell_the_ear_twice() -> None:
    room = listening()
    room.speaks(1_000)
    room.stalls(600)
    room.speaks(1_000)
    room.speaks(1_000, QUIET)
    assert [fact.kind for fact in room.facts if isinstance(fact, CallerSpeech)].count("started") == 1


@pytest.mark.parametrize("chunk_ms", [200, 500, 1_000])
def test_a_client_that_sends_in_chunks_is_heard_without_holes(chunk_ms: int) -> None:
    room = listening()
    for _ in range(6):
        room.pass_ms(chunk_ms)
        room.arrives(tone(chunk_ms, 16_000))
    begun = next(one for one in room.line.given if one.packets)
    after_the_first = room.line.given[room.line.given.index(begun) :]
    assert all(one.packets for one in after_the_first), "no silence between the chunks"
    assert not any(one.late for one in after_the_first)
    assert [fact.kind for fact in room.facts if isinstance(fact, CallerSpeech)] == ["started"]


def test_a_microphone_that_never_starts_is_silence_for_the_model() -> None:
    room = listening()
    room.pass_ms(5_000)
    assert 4_600 <= room.line.model_ms() <= 5_000
    assert not any(any(one.frame.pcm) for one in room.line.given)
    assert (room.hearing.bytes, room.hearing.duration_ms, room.hearing.rms_db) == (0, 0.0, None), "none of it is the caller's"


def test_before_an_engine_listens_nothing_stands_in() -> None:
    room = Room()
    room.pass_ms(5_000)
    assert room.line.given == []


def test_a_process_that_slept_does_not_pour_out_minutes_of_silence() -> None:
    room = listening()
    room.speaks(200)
    room.now_ms += 60_000
    room.hearing.fill_gap(room.now_ms)
    assert room.line.model_ms() <= 200 + 2_000
