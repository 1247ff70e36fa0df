"""Calls over a model that decides its own turns, told as timelines."""

from __future__ import annotations

from media_plane.conversation import commands as do
from media_plane.conversation import events as ev
from tests.unit.media_plane.conversation.timeline import Timeline, tenant, tone

MODEL = ev.EngineReady("personaplex", voice=True, own_turns=True)


def call_of(**changes: object) -> Timeline:
    call = Timeline(tenant(**{"first_speaker": "caller", **changes}))
    call.at(0, MODEL)
    return call


def model_says(call: Timeline, at_ms: float, item_id: str, *words: tuple[str, float], live: bool = True) -> None:
    """The model's words and sound, at once on their way to the caller."""
    for text, duration_ms in words:
        call.at(at_ms, ev.AgentText(item_id, text, live=live), ev.AgentAudio(item_id, tone(duration_ms)))
    call.at(at_ms, ev.PlayoutStarted(item_id))


def voice(call: Timeline, from_ms: float, to_ms: float) -> None:
    """A caller's utterance as the ear finds it, up to the pause."""
    call.at(from_ms + 80, ev.CallerSpeech("started", from_ms))
    call.at(to_ms + 200, ev.CallerSpeech("paused", from_ms, to_ms))


def ends(call: Timeline, from_ms: float, to_ms: float, text: str, *, transcript_ms: float = 1_200.0) -> None:
    """The endpoint, and the transcript some time after the voice."""
    call.at(to_ms + 550, ev.CallerSpeech("ended", from_ms, to_ms))
    call.at(to_ms + transcript_ms, ev.CallerTranscript(text, True, from_ms, to_ms, 0.9))


def ticks(call: Timeline, from_ms: int, to_ms: int) -> None:
    for at_ms in range(from_ms, to_ms, 100):
        call.at(at_ms, ev.Tick())


def asked(call: Timeline) -> list[do.CallerTurn]:
    return [value for value in call.sent() if isinstance(value, do.CallerTurn)]
