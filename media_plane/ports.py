"""What the media plane asks of the outside: engines, sockets, tools, models, ears and voices."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from media_plane.audio import AudioFormat, AudioFrame
from media_plane.conversation.commands import CallerAudio, EngineInput, RunTool, Tell, ToolOutcome
from media_plane.conversation.events import EngineEvent, ToolFinished
from nexus.domain.session import Party, Turn
from nexus.domain.tenant import TenantConfig
from nexus.tools import JsonSchema

# --- tools -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model sees it. ``parameters`` is a full JSON Schema object."""

    name: str
    description: str
    parameters: JsonSchema
    effect: Literal["read", "write"] = "write"


class ToolRunner(Protocol):
    """Runs one tenant's tools for one call: validates, limits, runs once."""

    async def tools(self) -> tuple[ToolSpec, ...]:
        """The enabled tools that could be loaded. A broken ``tools.py`` gives none and is logged with its faults."""
        ...

    async def run(self, order: RunTool) -> ToolFinished:
        """Run one tool. Never raises for what a tool does: a failure is an outcome with a sentence the agent can say."""
        ...


# --- text model --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to run a tool."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CallerSaid:
    text: str


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """The agent's words and tool calls of one model answer. ``verbatim`` is the model adapter's own form of the answer, given back to it
    unchanged (None once the text was cut to what was heard, or when another model made it)."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    verbatim: Any = None


@dataclass(frozen=True, slots=True)
class ToolReturned:
    call: ToolCall
    output: str
    failed: bool = False


ChatMessage = CallerSaid | AgentSaid | ToolReturned


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Everything a model needs for its next answer: nothing is kept between calls."""

    system: str
    messages: tuple[ChatMessage, ...]
    tools: tuple[ToolSpec, ...]
    now: datetime
    """The tenant's wall time, with its timezone."""
    config: TenantConfig
    caller_phone: str = ""
    beside: bool = False
    """The model works beside a voice that talks by itself: it gives words only where a tool is, or will be, needed, otherwise none."""
    notes: tuple[str, ...] = ()
    """What the business has told the agent during the call; ``system`` holds it too."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class AnswerDone:
    """The last item of a stream. ``hang_up``: the call should end once this answer is heard. ``retries``: malformed answers met before."""

    calls: tuple[ToolCall, ...] = ()
    verbatim: Any = None
    hang_up: bool = False
    retries: int = 0
    usage: Mapping[str, int] = field(default_factory=dict)


class ChatModel(Protocol):
    """A model that turns a conversation into the agent's next words and tool calls."""

    @property
    def name(self) -> str:
        """For the record: ``gemini:gemini-3.8-flash``, ``scripted``."""
        ...

    def stream(self, request: ChatRequest) -> AsyncIterator[TextDelta | AnswerDone]:
        """Text as it comes, then one ``AnswerDone``. Cancelling stops the request.

        Raises:
            UpstreamError: ``model_failed``, or ``model_malformed_call`` after one retry.
        """
        ...


# --- ears and voices ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Transcription:
    """``text`` is empty when there were no words. ``confidence`` 0..1."""

    text: str
    confidence: float


class SpeechToText(Protocol):
    async def warm_up(self) -> None:
        """Load; afterwards ``transcribe`` is at full speed. Raises ConfigurationError ``missing_package`` or ``model_mismatch``."""
        ...

    async def transcribe(self, speech: AudioFrame, *, language: str, hint: str = "") -> Transcription:
        """One utterance, 16 kHz. ``hint``: words likely to come. Raises UpstreamError ``speech_failed``."""
        ...


class TextToSpeech(Protocol):
    async def warm_up(self) -> None:
        """Like ``SpeechToText.warm_up``."""
        ...

    def speak(self, text: str, *, voice_id: str, speed: float) -> AsyncIterator[AudioFrame]:
        """Audio of one sentence as it is made, any rate, faster than real time. Raises UpstreamError ``speech_failed``."""
        ...


# --- engine ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallBrief:
    """What an engine must know to take a call, also in the middle of it: ``history``, and the ``outcomes`` of tools that have ended, both
    in the order of time."""

    call_id: str
    config: TenantConfig
    tools: tuple[ToolSpec, ...]
    item_prefix: str
    """Begins every item id of this engine, so that ids stay unique when engines change."""
    caller_phone: str = ""
    history: tuple[Turn, ...] = ()
    outcomes: tuple[ToolOutcome, ...] = ()
    notes: tuple[str, ...] = ()
    """What the business has told the agent during the call."""


@dataclass(frozen=True, slots=True)
class EngineTraits:
    """``voice``: gives audio. ``own_turns``: decides itself when to answer. ``output_rate_hz``: of its audio (0 without)."""

    name: str
    voice: bool
    own_turns: bool
    output_rate_hz: int


class VoiceEngine(Protocol):
    """Turns caller audio into agent audio, for one call.

    Order: ``start`` once, then ``send`` and ``events`` side by side, ``close`` once (always, also after a failed start).
    """

    @property
    def traits(self) -> EngineTraits: ...

    async def start(self, brief: CallBrief) -> None:
        """Connect. Raises UpstreamError ``engine_unreachable``."""
        ...

    async def send(self, value: EngineInput) -> None:
        """Take one input, in order. Returns soon: long work goes on behind ``events``. What the engine has no use for is ignored."""
        ...

    def events(self) -> AsyncIterator[EngineEvent]:
        """What the engine says, until ``close`` or an ``EngineFailed``. Never raises but for cancellation."""
        ...

    async def close(self) -> None:
        """Let go of everything; again is silent."""
        ...


# --- a full-duplex speech model ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """Words of one side, as far as the caller heard them."""

    role: Party
    text: str


@dataclass(frozen=True, slots=True)
class ModelBrief:
    """What a speech model is told when a line to it is opened, also in the middle of a call (``generation`` > 1).

    ``facts`` are outcomes of tools and what the platform itself said, one sentence each; ``said`` is the conversation, oldest first.
    ``now`` is the tenant's wall time, with its timezone; two briefs that differ only in it are the same.
    A line cuts all of it to its own limits: the tenant's persona first, then facts, then the newest words, then knowledge.
    """

    call_id: str
    generation: int
    config: TenantConfig
    facts: tuple[str, ...] = ()
    said: tuple[Said, ...] = ()
    now: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ModelAudio:
    """What the model gives, in order and as it comes: speech and silence alike, any rate."""

    frame: AudioFrame


@dataclass(frozen=True, slots=True)
class ModelText:
    """A piece of the agent's words, to be joined without anything between; it belongs to the audio that comes with it."""

    text: str


@dataclass(frozen=True, slots=True)
class ModelHeard:
    """The model's own final transcript of an utterance of the caller (models that have none never give it).

    An empty one, before any audio, announces them: nobody else need listen to the caller.
    """

    text: str


@dataclass(frozen=True, slots=True)
class ModelFlush:
    """The model was interrupted and wants what it sent last not to be played."""


@dataclass(frozen=True, slots=True)
class LineRotated:
    """From here on another session of the model speaks. ``gap_ms``: from the last input of the old one to the first output of the new."""

    generation: int
    gap_ms: float
    reason: Literal["window", "facts", "lost"]


@dataclass(frozen=True, slots=True)
class LineGap:
    """The model's session was lost and another takes its place: neither side hears the other until ``LineRotated``, or ``LineLost``."""


@dataclass(frozen=True, slots=True)
class LineNotice:
    """A fault that the line lives on with (a corrupt packet, no slot to rotate to yet): it goes on record."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class LineDropped:
    """So much more of what ``send`` took will never reach the model."""

    duration_ms: float


@dataclass(frozen=True, slots=True)
class LineLost:
    """The line is gone; its events end after this. ``code``: ``engine_lost``, ``engine_mute``, ``engine_lagging`` or
    ``engine_window_ended``."""

    code: str
    message: str


LineEvent = ModelAudio | ModelText | ModelHeard | ModelFlush | LineRotated | LineGap | LineNotice | LineDropped | LineLost


class SpeechLine(Protocol):
    """One session of a speech model that is clocked by the caller's audio: silence included, it must always be fed.

    Order: ``open`` once, then ``send`` and ``events`` side by side, ``close`` once (always, also after a failed ``open``).
    """

    async def open(self, brief: ModelBrief) -> None:
        """Connect, prime, and return when the model listens. Raises UpstreamError ``engine_unreachable``; no deadline of its own."""
        ...

    def send(self, audio: CallerAudio) -> None:
        """Take caller audio, 16 kHz, with its original packets where there are any. Never waits; too much is dropped and counted."""
        ...

    def events(self) -> AsyncIterator[LineEvent]:
        """What the model gives, until ``close`` or a ``LineLost``. Never raises but for cancellation."""
        ...

    async def close(self) -> bool:
        """Let go of the model. True when it confirmed (its process takes the next session at once); again is silent."""
        ...


class SlotLease(Protocol):
    """The only connection to one server process, until it is given back."""

    @property
    def address(self) -> str:
        """Where the process is reached (``ws://…``)."""
        ...

    def give_back(self, *, sound: bool) -> None:
        """The connection is closed. ``sound`` False: it failed or did not confirm, so the process is probed before it is used again."""
        ...


class EngineSlots(Protocol):
    """The server processes of a speech model, each of which carries one call."""

    def take(self, call_id: str, use: Literal["call", "rotation"]) -> SlotLease:
        """A free process, at once. ``rotation`` may take a spare one, ``call`` may not.

        Raises:
            QuotaExceeded: ``no_engine_slot``.
        """
        ...


# --- the caller's socket -----------------------------------------------------------------------------------------------------


class SocketClosed(Exception):
    """The peer is gone. ``clean`` tells a closing handshake from a lost connection."""

    def __init__(self, *, clean: bool) -> None:
        super().__init__("closed" if clean else "lost")
        self.clean = clean


class Socket(Protocol):
    """An accepted WebSocket, whatever serves it."""

    async def receive(self) -> bytes | str:
        """The next message. Raises SocketClosed."""
        ...

    async def send(self, message: bytes | str) -> None:
        """Write one message; waits while the peer's buffers are full. Raises SocketClosed."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close with a code (RFC 6455 section 7.4); silent when closed already."""
        ...


@dataclass(frozen=True, slots=True)
class ReceivedAudio:
    """Decoded caller audio, 16 kHz, and the original Opus packets where there were any."""

    frame: AudioFrame
    packets: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceivedText:
    text: str


@dataclass(frozen=True, slots=True)
class ReceivedPlayed:
    """The client has played this much of an item."""

    item_id: str
    played_ms: float


@dataclass(frozen=True, slots=True)
class ReceivedHangUp:
    pass


@dataclass(frozen=True, slots=True)
class ReceivedNothing:
    """A message that only shows that the caller is there (a ping, a header without audio)."""


Received = ReceivedAudio | ReceivedText | ReceivedPlayed | ReceivedHangUp | ReceivedNothing


class CallerTransport(Protocol):
    """The caller's side of one call: a wire protocol over a socket."""

    @property
    def output(self) -> AudioFormat:
        """What the caller is sent."""
        ...

    @property
    def corrupt_frames(self) -> int:
        """How many pieces of caller audio could not be decoded so far."""
        ...

    async def receive(self) -> tuple[Received, ...]:
        """What the next message holds. Raises SocketClosed, ProtocolViolation (the call ends)."""
        ...

    async def tell(self, message: Tell) -> None:
        """Send one message. Raises SocketClosed."""
        ...

    async def play(self, frame: AudioFrame) -> int:
        """Send agent audio (any PCM rate; encoded and resampled here); how many bytes went out. Raises SocketClosed."""
        ...

    async def close(self, reason: str, code: int) -> None:
        """Say how the call ended, then close."""
        ...
