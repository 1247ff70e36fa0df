"""The original's simple door, sans-I/O: sniffed audio in, plain audio out, JSON with a human ``message`` in everything."""

from __future__ import annotations

import json
import re
import struct
from typing import Any

from media_plane.audio import EAR_RATE_HZ, AudioFormat, AudioFrame
from media_plane.conversation.commands import (
    Tell,
    TellAudio,
    TellError,
    TellMode,
    TellState,
    TellTool,
    TellTranscript,
)
from media_plane.ports.caller import Received, ReceivedHangUp, ReceivedNothing, ReceivedText
from media_plane.transports.messages import MAX_MESSAGE_BYTES, MAX_TEXT_CHARS
from media_plane.transports.negotiation import INPUT_RATES_HZ
from media_plane.transports.wire import PRODUCT_CODECS, AudioCodecs, CallerAudioStream, Incoming, Violations
from nexus.errors import ProtocolViolation

_SNIFF_BYTES = 4
"""A browser's first WebM chunk may be one byte long; four bytes tell WebM and WAV from PCM."""
_OUTPUTS: dict[str, AudioFormat] = {
    "pcm": AudioFormat("pcm_s16le", EAR_RATE_HZ),
    "opus": AudioFormat("opus", 24_000),
    "wav": AudioFormat("wav", EAR_RATE_HZ),
}
_ROLES = {"caller": "user", "agent": "ai"}


def parse_customer_phone(raw: str) -> str:
    """A phone number out of a query value: ``+`` and 7 to 15 digits, or empty for anything else.

    A ``+`` that was not escaped arrives as a space (application/x-www-form-urlencoded), so leading white space stands for it.
    """
    compact = re.sub(r"[\s().-]", "", raw.strip())
    prefixed = raw[:1].isspace() or compact.startswith("+")
    digits = compact.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15):
        return ""
    return f"+{digits}" if prefixed else digits


def parse_output(raw: str) -> AudioFormat:
    """The ``output`` query value as a format; empty is ``pcm``. Raises ProtocolViolation ``codec_unsupported``."""
    try:
        return _OUTPUTS[raw or "pcm"]
    except KeyError as error:
        raise ProtocolViolation("codec_unsupported", f"output: this door sends {', '.join(_OUTPUTS)}.") from error


def wav_file(pcm: bytes, sample_rate_hz: int) -> bytes:
    """A whole WAV file of PCM16 mono. **Source:** the RIFF WAVE format, 44-byte header."""
    format_chunk = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate_hz, sample_rate_hz * 2, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", 36 + len(pcm), b"WAVE") + format_chunk + struct.pack("<4sI", b"data", len(pcm)) + pcm


class SimpleDoor:
    """One call through ``/ws/call/{tenant_id}``. Open from the start; the first bytes tell what the client sends."""

    def __init__(self, call_id: str, tenant_id: str, codecs: AudioCodecs = PRODUCT_CODECS, output: AudioFormat = _OUTPUTS["pcm"]) -> None:
        self._call_id = call_id
        self._tenant_id = tenant_id
        self._codecs = codecs
        self._output = output
        inner = AudioFormat("pcm_s16le", output.sample_rate_hz) if output.codec == "wav" else output
        self._mouth = codecs.encoder_for(inner)
        self._ear: CallerAudioStream | None = None
        self._head = b""
        self._violations = Violations()

    @property
    def is_open(self) -> bool:
        return True

    @property
    def output(self) -> AudioFormat:
        """What the client is sent."""
        return self._output

    @property
    def corrupt_frames(self) -> int:
        """How many pieces of caller audio could not be decoded so far."""
        return self._ear.corrupt if self._ear else 0

    def connected(self) -> tuple[str, ...]:
        """The first message of a call."""
        return (_json("connected", f"Connected to {self._tenant_id}", session_id=self._call_id, tenant_id=self._tenant_id),)

    def receive(self, message: bytes | str) -> Incoming:
        """What a message means. Raises ProtocolViolation ``message_too_large``, or one broken message too many."""
        if len(message) > MAX_MESSAGE_BYTES:
            raise ProtocolViolation("message_too_large", f"A message has at most {MAX_MESSAGE_BYTES} bytes; send shorter pieces.")
        try:
            return self._audio(message) if isinstance(message, bytes) else Incoming((_typed(message),))
        except ProtocolViolation as violation:
            self._violations.add(violation)
            return Incoming((ReceivedNothing(),), (self.error(violation.code, violation.public_message),))

    def tell(self, message: Tell) -> tuple[bytes | str, ...]:
        """JSON in the original's manner; nothing for what the original did not know how to say."""
        match message:
            case TellTranscript(role=role, text=text, final=final, interrupted=interrupted):
                return (_json("transcript", text, role=_ROLES[role], text=text, final=final, interrupted=interrupted),)
            case TellAudio(what="clear"):
                self._mouth.reset()
                return (_json("clear", "Interrupted: forget audio that is not played yet"),)
            case TellAudio(what="end"):
                return self._package(self._mouth.flush())
            case TellTool(name=name, status=status):
                return (_json("tool", f"{name}: {status}", name=name, status=status),)
            case TellMode(to=to, reason=reason):
                return (_json("mode", f"{to}: {reason}", to=to, reason=reason),)
            case TellState(state=state):
                return (_json("state", state, state=state),)
            case TellError(code=code, message=text, retryable=retryable):
                return (self.error(code, text, retryable=retryable),)
            case _:
                return ()

    def play(self, frame: AudioFrame) -> tuple[bytes, ...]:
        """Binary messages for a frame of any rate."""
        return self._package(self._mouth.encode(frame))

    def error(self, code: str, message: str, *, retryable: bool = False) -> str:
        """An ``error`` message."""
        return _json("error", message, code=code, retryable=retryable)

    def ended(self, reason: str) -> tuple[str, ...]:
        """The last message of a call."""
        return (_json("ended", f"Call ended: {reason}", reason=reason),)

    def _format_of(self, head: bytes) -> AudioFormat:
        codec = self._codecs.sniff(head) or "pcm_s16le"
        return AudioFormat(codec, INPUT_RATES_HZ[codec][0])

    def _package(self, messages: tuple[bytes, ...]) -> tuple[bytes, ...]:
        if self._output.codec != "wav":
            return messages
        return tuple(wav_file(pcm, self._output.sample_rate_hz) for pcm in messages)

    def _audio(self, message: bytes) -> Incoming:
        if self._ear is None:
            self._head += message
            if len(self._head) < _SNIFF_BYTES:
                return Incoming((ReceivedNothing(),))
            message, self._head = self._head, b""
            self._ear = CallerAudioStream(self._codecs.decoder_for(self._format_of(message)))
        value, corrupt = self._ear.feed(message)
        hint = "Some audio could not be decoded and was left out; send WebM/Opus, WAV or PCM16 at 16 kHz."
        return Incoming((value,), (self.error("audio_corrupt", hint),) if corrupt else ())


def _typed(message: str) -> Received:
    """Typed text: ``{"type": "text", "text" | "message": …}``, or the text itself where it is no JSON object."""
    try:
        value: Any = json.loads(message)
    except (ValueError, RecursionError):
        value = message
    if not isinstance(value, dict):
        return _text(message)
    match value.get("type"):
        case "text" | "message" | "input.text":
            return _text(value.get("text") or value.get("message"))
        case "end" | "hangup" | "session.end":
            return ReceivedHangUp()
        case "ping":
            return ReceivedNothing()
        case _:
            raise ProtocolViolation("message_unknown", 'This door takes audio, plain text, and {"type": "text", "text": "…"}.')


def _text(value: object) -> Received:
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS:
        raise ProtocolViolation("message_invalid", f"Typed text is a string of at most {MAX_TEXT_CHARS} characters.")
    return ReceivedText(value.strip()) if value.strip() else ReceivedNothing()


def _json(kind: str, message: str, **fields: object) -> str:
    return json.dumps({"type": kind, "message": message, **fields}, ensure_ascii=False)
