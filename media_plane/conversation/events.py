"""What can happen in a call: every value that enters the machine. Times come beside the event, as ``at_ms`` since connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from media_plane.audio import AudioFrame
from media_plane.speech.facts import BargeInDetected as BargeInDetected
from media_plane.speech.facts import CallerSpeech as CallerSpeech
from nexus.domain.call import EndReason, LineOrder
from nexus.domain.session import AudioFacts

# --- from the caller's messages ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallerTyped:
    """Text typed on the socket."""

    text: str


@dataclass(frozen=True, slots=True)
class CallerLeft:
    """The caller hung up (``hangup``), vanished (``lost``), went quiet on the socket (``idle``) or broke the protocol (``protocol``)."""

    how: Literal["hangup", "lost", "idle", "protocol"]


@dataclass(frozen=True, slots=True)
class EndOrdered:
    """Somebody other than the parties ends the call. ``farewell``: after the agent has told the caller so, where that is possible."""

    reason: EndReason
    farewell: bool = False


@dataclass(frozen=True, slots=True)
class LineOrdered:
    """Somebody other than the parties has a line for the call."""

    order: LineOrder


# --- from the engine ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EngineReady:
    """An engine is connected. ``voice`` is False for the text-only one; ``own_turns`` is True for an engine that decides itself when to
    answer. ``reason`` says why it took over (empty when it is the first of the call's list). ``known_outcomes``: so many outcomes of tools
    were in its brief."""

    engine: str
    voice: bool
    own_turns: bool
    reason: str = ""
    known_outcomes: int = 0


@dataclass(frozen=True, slots=True)
class AgentText:
    """Words of the agent, spoken from here on in the item's audio: the text begins where the audio sent so far ends.

    ``live``: the words come from a speech model that talks by itself. They are never said again after a false alarm (the model talks on),
    and their latency has no stages. Words that our own voice speaks are not live, whatever the engine; it gives its words before their
    audio. An item of an engine with turns of its own that begins with audio is taken for live. ``joins``: the text goes on with the last
    word given, without a blank between.
    """

    item_id: str
    text: str
    live: bool = False
    joins: bool = False


@dataclass(frozen=True, slots=True)
class AgentAudio:
    """Audio of the agent, any duration, often faster than real time."""

    item_id: str
    frame: AudioFrame


@dataclass(frozen=True, slots=True)
class AgentItemEnded:
    """No more text or audio will come for this item."""

    item_id: str


@dataclass(frozen=True, slots=True)
class CallerTranscript:
    """What the caller said, as heard by the engine or by our own ear. ``final`` closes the utterance; an empty text means: no words."""

    text: str
    final: bool
    voice_start_ms: float = 0.0
    voice_end_ms: float = 0.0
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class ToolRequested:
    """The dialogue wants a tool run. The answer goes back as ``ToolAnswer`` with the same ``request_id``."""

    request_id: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HangUpRequested:
    """The agent wants to end the call once what it says has been heard."""

    reason: EndReason = EndReason.AGENT_HANGUP


@dataclass(frozen=True, slots=True)
class EngineFlush:
    """The engine itself noticed an interruption: stop playing what it sent."""


@dataclass(frozen=True, slots=True)
class EngineRotated:
    """A full-duplex engine moved the call to another session of its model."""

    generation: int
    gap_ms: float
    reason: str


@dataclass(frozen=True, slots=True)
class EngineNotice:
    """The engine met a fault and lives on (a model call retried, an utterance not transcribed): it goes on record."""

    code: str
    stage: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class EngineDropped:
    """So much more caller audio was taken and never given to the engine's model: it goes to the record's figures."""

    duration_ms: float


@dataclass(frozen=True, slots=True)
class EngineFailed:
    """The engine is lost; its event stream ends after this."""

    code: str
    message: str


# --- from playout ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlayoutStarted:
    """The first audio of an item went out."""

    item_id: str


@dataclass(frozen=True, slots=True)
class Heard:
    """How much of an item the caller has heard so far."""

    item_id: str
    heard_ms: float


@dataclass(frozen=True, slots=True)
class PlayoutFinished:
    """Everything of an ended item has been heard."""

    item_id: str
    heard_ms: float


@dataclass(frozen=True, slots=True)
class PlayoutStopped:
    """Playout was stopped; ``heard_ms`` of the item were heard, nothing of it is sent any more."""

    item_id: str
    heard_ms: float


# --- from tools and time -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool has ended, well or not. ``spoken`` is what the agent can say of a failure."""

    request_id: str
    effect_id: str
    status: Literal["done", "refused", "failed", "replayed", "unknown"]
    output: str
    spoken: str = ""
    error_code: str = ""
    attempts: int = 1
    ends_call: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; sent at least every 100 ms."""


@dataclass(frozen=True, slots=True)
class AudioCounted:
    """The shell's audio counters, sent once before the call ends."""

    facts: AudioFacts
    slot_ms: float = 0.0
    """How long engine slots were held for this call, added up."""


EngineEvent = (
    AgentText
    | AgentAudio
    | AgentItemEnded
    | CallerTranscript
    | ToolRequested
    | HangUpRequested
    | EngineFlush
    | EngineRotated
    | EngineNotice
    | EngineDropped
    | EngineFailed
)
Event = (
    CallerSpeech
    | BargeInDetected
    | CallerTyped
    | CallerLeft
    | EndOrdered
    | LineOrdered
    | EngineReady
    | EngineEvent
    | PlayoutStarted
    | Heard
    | PlayoutFinished
    | PlayoutStopped
    | ToolFinished
    | Tick
    | AudioCounted
)
