"""nexus.v1, sans-I/O: messages of one caller's socket to values and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

from media_plane.audio import FRAME_MS, AudioFormat, AudioFrame
from media_plane.conversation.commands import (
    Tell,
    TellAudio,
    TellError,
    TellLatency,
    TellMode,
    TellState,
    TellTool,
    TellTranscript,
)
from media_plane.ports.caller import ReceivedHangUp, ReceivedNothing, ReceivedPlayed, ReceivedText
from media_plane.transports import messages as wire
from media_plane.transports.negotiation import input_format, output_format
from media_plane.transports.wire import PRODUCT_CODECS, AudioCodecs, CallerAudioStream, Encoder, Incoming, Violations
from nexus.errors import ProtocolViolation

_ANSWERED = frozenset({"message_not_json", "message_unknown", "message_invalid", "audio_corrupt"})
"""Violations that are answered with an error while the call lives."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What ``session.started`` tells the client of its call."""

    call_id: str
    tenant_id: str
    max_duration_s: int
    idle_timeout_s: int


@dataclass(frozen=True, slots=True)
class _Agreed:
    """The formats both sides agreed on, with the streams that speak them."""

    input: AudioFormat
    output: AudioFormat
    ear: CallerAudioStream
    mouth: Encoder


class NexusV1:
    """One call in nexus.v1.

    The client's first message is ``session.start``; after it ``is_open`` is true and everything else may flow.
    """

    def __init__(self, facts: CallFacts, codecs: AudioCodecs = PRODUCT_CODECS) -> None:
        self._facts = facts
        self._codecs = codecs
        self._agreed: _Agreed | None = None
        self._violations = Violations()
        self._seq = 0

    @property
    def is_open(self) -> bool:
        """Whether ``session.start`` has been agreed."""
        return self._agreed is not None

    @property
    def output(self) -> AudioFormat:
        """What the client is sent. Only once open."""
        return self._open().output

    @property
    def input(self) -> AudioFormat:
        """What the client sends. Only once open."""
        return self._open().input

    @property
    def corrupt_frames(self) -> int:
        """How many pieces of caller audio could not be decoded so far."""
        return self._agreed.ear.corrupt if self._agreed else 0

    def receive(self, message: bytes | str) -> Incoming:
        """What a message means.

        Raises:
            ProtocolViolation: ``message_too_large``, ``session_start_expected``, ``codec_unsupported``, or one broken message too many.
        """
        size_bytes = len(message) if isinstance(message, bytes) else len(message.encode("utf-8", "surrogatepass"))
        if size_bytes > wire.MAX_MESSAGE_BYTES:
            raise ProtocolViolation("message_too_large", f"A message has at most {wire.MAX_MESSAGE_BYTES} bytes; send shorter pieces.")
        try:
            return self._audio(message) if isinstance(message, bytes) else self._message(wire.read_client_message(message))
        except ProtocolViolation as violation:
            if violation.code not in _ANSWERED:
                raise
            self._violations.add(violation)
            return Incoming((ReceivedNothing(),), (self.error(violation.code, violation.public_message),))

    def tell(self, message: Tell) -> tuple[bytes | str, ...]:
        """What goes out for a message: JSON, and before the end of an item the audio that waited for a full frame."""
        text = self._write(_to_wire(message))
        if isinstance(message, TellAudio) and message.what != "begin":
            mouth = self._open().mouth
            if message.what == "end":
                return (*mouth.flush(), text)
            mouth.reset()
        return (text,)

    def play(self, frame: AudioFrame) -> tuple[bytes, ...]:
        """Binary messages for a frame of any rate; none while the encoder waits for more."""
        return self._open().mouth.encode(frame)

    def error(self, code: str, message: str, *, retryable: bool = False) -> str:
        """An ``error`` message."""
        return self._write(wire.Error(code=code, message=message, retryable=retryable))

    def ended(self, reason: str) -> tuple[str, ...]:
        """The last message of a call."""
        return (self._write(wire.SessionEnded(end_reason=reason)),)

    def _open(self) -> _Agreed:
        if self._agreed is None:
            raise ProtocolViolation("session_start_expected", "The first message must be session.start; send it before anything else.")
        return self._agreed

    def _audio(self, message: bytes) -> Incoming:
        value, corrupt = self._open().ear.feed(message)
        if not corrupt:
            return Incoming((value,))
        hint = "Some audio could not be decoded and was left out; check that it is what session.start announced."
        return Incoming((value,), (self.error("audio_corrupt", hint),))

    def _message(self, message: wire.ClientMessage) -> Incoming:
        match message:
            case wire.SessionStart():
                return self._start(message)
            case wire.Ping(t=t):
                return Incoming((ReceivedNothing(),), (self._write(wire.Pong(t=t)),))
            case wire.SessionEnd():
                return Incoming((ReceivedHangUp(),))
        self._open()
        match message:
            case wire.InputText(text=text) if text.strip():
                return Incoming((ReceivedText(text.strip()),))
            case wire.AudioPlayed(item_id=item_id, played_ms=played_ms):
                return Incoming((ReceivedPlayed(item_id, played_ms),))
            case _:
                return Incoming((ReceivedNothing(),))

    def _start(self, message: wire.SessionStart) -> Incoming:
        if self._agreed is not None:
            raise ProtocolViolation("message_invalid", "session.start: the session has started already; formats stay as they are.")
        spoken, wanted = input_format(message.audio.input), output_format(message.audio.output)
        self._agreed = _Agreed(spoken, wanted, CallerAudioStream(self._codecs.decoder_for(spoken)), self._codecs.encoder_for(wanted))
        started = wire.SessionStarted(
            call_id=self._facts.call_id,
            session_id=self._facts.call_id,
            tenant_id=self._facts.tenant_id,
            input=wire.SpokenFormat(codec=spoken.codec, sample_rate=spoken.sample_rate_hz),
            output=wire.SpokenFormat(codec=wanted.codec, sample_rate=wanted.sample_rate_hz),
            frame_ms=FRAME_MS,
            limits=wire.WireLimits(max_duration_s=self._facts.max_duration_s, idle_timeout_s=self._facts.idle_timeout_s),
        )
        return Incoming((ReceivedNothing(),), (self._write(started),))

    def _write(self, message: wire.ServerMessage) -> str:
        self._seq += 1
        return wire.write(message.model_copy(update={"seq": self._seq}))


@singledispatch
def _to_wire(message: Tell) -> wire.ServerMessage:
    raise TypeError(f"no wire message for {type(message).__name__}")


@_to_wire.register
def _(message: TellState) -> wire.ServerMessage:
    return wire.State(state=message.state)


@_to_wire.register
def _(message: TellTranscript) -> wire.ServerMessage:
    return wire.Transcript(
        role=message.role,
        item_id=message.item_id,
        text=message.text,
        final=message.final,
        start_ms=round(message.start_ms, 1),
        end_ms=round(message.end_ms, 1),
        interrupted=message.interrupted,
    )


@_to_wire.register
def _(message: TellAudio) -> wire.ServerMessage:
    if message.what == "begin":
        return wire.AudioBegin(item_id=message.item_id)
    if message.what == "end":
        return wire.AudioEnd(item_id=message.item_id)
    return wire.AudioClear(item_id=message.item_id, heard_ms=round(message.heard_ms, 1))


@_to_wire.register
def _(message: TellTool) -> wire.ServerMessage:
    return wire.Tool(name=message.name, status=message.status, duration_ms=round(message.duration_ms, 1))


@_to_wire.register
def _(message: TellMode) -> wire.ServerMessage:
    return wire.ModeChanged(to=message.to, reason=message.reason)


@_to_wire.register
def _(message: TellLatency) -> wire.ServerMessage:
    return wire.Latency(stages={stage: round(value_ms, 1) for stage, value_ms in message.stages.items()})


@_to_wire.register
def _(message: TellError) -> wire.ServerMessage:
    return wire.Error(code=message.code, message=message.message, retryable=message.retryable)
