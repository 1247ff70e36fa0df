"""What the machine wants done: every value that leaves it. The bridge does them in order and decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from media_plane.audio import AudioFrame
from media_plane.conversation.events import CallerSpeech
from nexus.domain.call import EndReason
from nexus.domain.journal import JournalEntry

# --- to the engine -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallerAudio:
    """Caller audio, 16 kHz; ``packets`` are the original Opus packets where the transport has them. Sent by the bridge itself.

    ``late``: for ears alone. Its time has passed already (silence stood in for it), so a model that is clocked by what it is given must
    not be given it.
    """

    frame: AudioFrame
    packets: tuple[bytes, ...] = ()
    late: bool = False


@dataclass(frozen=True, slots=True)
class CallerTurn:
    """The caller has said or typed this: answer it. An engine with turns of its own is told too, for the agent that stands beside its
    model; what its model has heard by itself it need not answer again. ``typed`` also means that no model can have heard it (typed text,
    and what the engine before did not answer)."""

    text: str
    typed: bool = False


@dataclass(frozen=True, slots=True)
class Say:
    """Speak exactly this, after what is being spoken. ``remember`` is False for what the dialogue need not know (a filler)."""

    text: str
    remember: bool = True


@dataclass(frozen=True, slots=True)
class Inform:
    """Know this from the next answer on: a note of the business, which the caller does not hear."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """The outcome of a ``ToolRequested``.

    With a ``name`` it is of a tool that an earlier engine of the call asked for: a fact to be known, and, when ``owed``, to be told to the
    caller, who has not heard of it. The same may come again after a ``CallBrief`` that holds it already.
    """

    request_id: str
    output: str
    failed: bool = False
    name: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    owed: bool = True


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """A tool of this call that has ended, for an engine that did not ask for it. ``asked_ms``: when it was asked for."""

    request_id: str
    name: str
    arguments: Mapping[str, Any]
    output: str
    failed: bool
    asked_ms: float


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The caller interrupted this item: forget what is not yet spoken; the caller heard only ``heard_text`` of it. Nothing more of the
    item is played: a model that talks on (or had only met a noise) goes on under a new item id."""

    item_id: str
    heard_text: str


EngineInput = CallerAudio | CallerSpeech | CallerTurn | Say | Inform | ToolAnswer | Interrupted


@dataclass(frozen=True, slots=True)
class SendToEngine:
    value: EngineInput


@dataclass(frozen=True, slots=True)
class AbandonEngine:
    """The engine is connected but useless (mute): close it and fall back."""

    code: str
    message: str


# --- to playout --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Play:
    item_id: str
    frame: AudioFrame


@dataclass(frozen=True, slots=True)
class EndItem:
    """All audio of the item has been given to playout."""

    item_id: str


@dataclass(frozen=True, slots=True)
class StopPlayout:
    """Forget everything that is not yet heard; answered by ``PlayoutStopped``."""


# --- to tools ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunTool:
    request_id: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


# --- to the caller -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TellState:
    """What the agent does; ``connecting`` until the call's first engine is ready, and while a lost one is replaced."""

    state: Literal["connecting", "listening", "thinking", "speaking", "tool"]


@dataclass(frozen=True, slots=True)
class TellTranscript:
    """``text`` replaces earlier text of the same item; for the agent it is what will be said, on interruption what was heard."""

    role: Literal["caller", "agent"]
    item_id: str
    text: str
    final: bool
    start_ms: float
    end_ms: float
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class TellAudio:
    """``begin`` before an item's first audio, ``end`` after its last, ``clear`` when the caller must forget what it holds."""

    what: Literal["begin", "end", "clear"]
    item_id: str
    heard_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class TellTool:
    name: str
    status: Literal["running", "done", "refused", "failed"]
    duration_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class TellMode:
    to: Literal["voice", "text_only"]
    reason: str


@dataclass(frozen=True, slots=True)
class TellLatency:
    """Where the time went between the caller's last word and the agent's first; see ``nexus.domain.session.StageTimes``."""

    stages: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TellError:
    code: str
    message: str
    retryable: bool


Tell = TellState | TellTranscript | TellAudio | TellTool | TellMode | TellLatency | TellError

# --- to the record and the end -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Note:
    """Write this to the journal."""

    entry: JournalEntry


@dataclass(frozen=True, slots=True)
class DropRecording:
    """Keep nothing of the call's sound: neither what comes nor what is there already."""


@dataclass(frozen=True, slots=True)
class EndCall:
    reason: EndReason


Command = SendToEngine | AbandonEngine | Play | EndItem | StopPlayout | RunTool | Tell | Note | DropRecording | EndCall
