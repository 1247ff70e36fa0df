"""The messages of the PCM sidecar contract, without I/O: docs/pcm-sidecar.md is the same in prose."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from media_plane.audio import EAR_RATE_HZ
from media_plane.codecs.pcm import PcmReader
from media_plane.ports.speech_line import LineEvent, LineLost, LineNotice, ModelAudio, ModelBrief, ModelFlush, ModelHeard, ModelText
from nexus.domain.knowledge import prompt_text
from nexus.domain.session import Party
from nexus.domain.tenant import TenantConfig

VERSION = 1
MAX_START_BYTES = 256 * 1024
"""Longest ``session.start``; many WebSocket libraries refuse messages beyond 1 MiB."""
MAX_MESSAGE_BYTES = 1024 * 1024
"""Longest message of a sidecar: 32 s of audio."""
_MAX_TEXT_CHARS = 8_000
_MAX_CODE_CHARS = 64
_MAX_REASON_CHARS = 200
_UNPRINTABLE = frozenset({"Cc", "Cs"})


class _Message(BaseModel):
    """Lenient to read: a sidecar may send fields that a later version defines."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


# --- to the sidecar ----------------------------------------------------------------------------------------------------------


class PcmFormat(_Message):
    """What both directions carry; there is no choice."""

    codec: Literal["pcm_s16le"] = "pcm_s16le"
    sample_rate: int = EAR_RATE_HZ
    channels: int = 1


class Words(_Message):
    role: Party
    text: str


class SessionStart(_Message):
    """First message of a session: everything the sidecar is told, cut to ``MAX_START_BYTES``."""

    type: Literal["session.start"] = "session.start"
    version: int = VERSION
    call_id: str
    generation: int
    system_prompt: str
    voice_id: str
    language: str
    speed: float
    greeting: str
    facts: tuple[str, ...]
    history: tuple[Words, ...]
    audio: PcmFormat = PcmFormat()


def start_message(brief: ModelBrief) -> str:
    """The ``session.start`` of a brief. Where all of it is too long, knowledge goes first, then the oldest words, then facts."""
    config = brief.config
    voice = config.voice_settings
    room = _Room(MAX_START_BYTES - 4 * 1024)  # the names of the fields, and the call's id
    voice_id, language, greeting, persona = (
        room.cut(_printable(text)) for text in (voice.voice_id, voice.language, config.greeting, config.system_prompt)
    )
    facts = room.newest(_printable(fact) for fact in reversed(brief.facts))
    texts = room.newest(_printable(said.text) for said in reversed(brief.said))
    roles = [said.role for said in brief.said[len(brief.said) - len(texts) :]]
    return SessionStart(
        call_id=brief.call_id,
        generation=brief.generation,
        system_prompt=_with_knowledge(config, persona, room.left_bytes),
        voice_id=voice_id,
        language=language,
        speed=voice.speed,
        greeting=greeting,
        facts=facts,
        history=tuple(Words(role=role, text=text) for role, text in zip(roles, texts, strict=True)),
    ).model_dump_json()


def _with_knowledge(config: TenantConfig, persona: str, room_bytes: int) -> str:
    """The prompt with as much knowledge as fits; the bare persona where there is no room."""
    whole = _printable(prompt_text(config))
    if _json_bytes(whole) - _json_bytes(persona) <= room_bytes:
        return whole
    limits = config.limits.model_copy(update={"knowledge_chars": room_bytes // 6})  # a character takes at most six bytes of JSON
    shorter = _printable(prompt_text(config.model_copy(update={"limits": limits})))
    return shorter if _json_bytes(shorter) - _json_bytes(persona) <= room_bytes else persona


class _Room:
    """What is left of a message while it is filled."""

    def __init__(self, left_bytes: int) -> None:
        self.left_bytes = left_bytes

    def cut(self, text: str) -> str:
        """As much of the text as fits."""
        if _json_bytes(text) > self.left_bytes:
            text = text[: self.left_bytes // 6]
        self.left_bytes -= _json_bytes(text)
        return text

    def newest(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Of texts with the newest first those that fit, the oldest first."""
        kept: list[str] = []
        for text in texts:
            size_bytes = _json_bytes(text) + 32
            if size_bytes > self.left_bytes:
                break
            self.left_bytes -= size_bytes
            kept.append(text)
        return tuple(reversed(kept))


def _json_bytes(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode())


# --- from the sidecar --------------------------------------------------------------------------------------------------------

_Text = Annotated[str, StringConstraints(max_length=_MAX_TEXT_CHARS)]


class SessionReady(_Message):
    """The sidecar listens. ``transcripts``: it will give the caller's words, so that no other ear is needed."""

    type: Literal["session.ready"]
    version: int = VERSION
    transcripts: bool = False


class Transcript(_Message):
    """Words. The agent's are pieces that are joined as they are; of the caller's only final utterances count."""

    type: Literal["transcript"]
    role: Party
    text: _Text
    final: bool = True


class AudioClear(_Message):
    """Audio not yet played is to be forgotten; what follows begins anew."""

    type: Literal["audio.clear"]


class Keepalive(_Message):
    """Nothing to say, but alive."""

    type: Literal["keepalive"]


class SidecarError(_Message):
    """Something is wrong; ``fatal`` where the session cannot go on."""

    type: Literal["error"]
    code: _Text = ""
    message: _Text = ""
    fatal: bool = True

    @property
    def words(self) -> str:
        """Code and message as one short line for a person."""
        code, message = (" ".join(_printable(text).split()) for text in (self.code[:_MAX_CODE_CHARS], self.message[:_MAX_REASON_CHARS]))
        return ": ".join(part for part in (code, message) if part) or "no reason given"


FromSidecar = SessionReady | Transcript | AudioClear | Keepalive | SidecarError
_FROM_SIDECAR: TypeAdapter[FromSidecar] = TypeAdapter(Annotated[FromSidecar, Field(discriminator="type")])


class Unreadable(Exception):
    """A text message broke the contract. ``code`` is ``message_not_json`` or ``message_invalid``."""

    def __init__(self, code: str, fault: str) -> None:
        super().__init__(fault)
        self.code = code
        self.fault = fault


def read_event(text: str) -> FromSidecar | None:
    """A text message; None for a type that this version does not know.

    Raises:
        Unreadable: it is not JSON, or breaks the schema of its type.
    """
    try:
        return _FROM_SIDECAR.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "union_tag_invalid":
            return None
        if first["type"] == "json_invalid":
            raise Unreadable("message_not_json", "a text message is not JSON") from None
        place = ".".join(str(part) for part in first["loc"]) or "message"
        raise Unreadable("message_invalid", f"{place}: {first['msg']}") from None


class SidecarReader:
    """One session's messages as line events. Audio is PCM16 little-endian mono at 16 kHz, cut anywhere."""

    def __init__(self) -> None:
        self._pcm = PcmReader(EAR_RATE_HZ)
        self._ready: SessionReady | None = None
        self._faults = 0

    @property
    def gives_transcripts(self) -> bool:
        """Whether the sidecar has promised the caller's words."""
        return self._ready is not None and self._ready.transcripts

    def begin(self, ready: SessionReady) -> None:
        """From here on audio counts."""
        self._ready = ready

    def read(self, message: bytes | str) -> tuple[LineEvent, ...]:
        """What a message means. A broken one gives a ``LineNotice`` at the first fault and whenever their number has doubled."""
        if isinstance(message, bytes):
            return self._audio(message)
        try:
            return self._event(read_event(message))
        except Unreadable as broken:
            return self.broken(broken.code, broken.fault)

    def broken(self, code: str, fault: str) -> tuple[LineEvent, ...]:
        """Count a fault of the sidecar; a notice when it is one to be told."""
        self._faults += 1
        if self._faults & (self._faults - 1):
            return ()
        return (LineNotice(code, f"The sidecar broke its contract {self._faults} time(s), last: {fault}; see docs/pcm-sidecar.md"),)

    def _audio(self, message: bytes) -> tuple[LineEvent, ...]:
        if self._ready is None:
            return self.broken("message_invalid", "audio came before session.ready and was left out")
        frame = self._pcm.feed(message)
        return (ModelAudio(frame),) if frame.pcm else ()

    def _event(self, event: FromSidecar | None) -> tuple[LineEvent, ...]:
        match event:
            case Transcript(role="agent", text=text) if text:
                return (ModelText(_printable(text)),)
            case Transcript(role="caller", text=text, final=True) if self.gives_transcripts and text.strip():
                return (ModelHeard(_printable(text).strip()),)
            case AudioClear():
                self._pcm = PcmReader(EAR_RATE_HZ)
                return (ModelFlush(),)
            case SidecarError(fatal=True):
                return (LineLost("engine_lost", f"The sidecar gave up ({event.words}); its own log says more"),)
            case SidecarError():
                return (LineNotice("model_failed", f"The sidecar reports: {event.words}"),)
            case _:
                return ()


def _printable(text: str) -> str:
    """Without control characters and halves of characters, which break logs and records."""
    return "".join(" " if unicodedata.category(one) in _UNPRINTABLE and one != "\n" else one for one in text)


class MuteWatch:
    """Tells when a model that is fed gives nothing. Times are milliseconds of one clock.

    A feed that paused begins anew: nobody can be blamed for not answering what was never said.
    """

    def __init__(self, limit_ms: float, pause_ms: float = 1_000.0) -> None:
        self._limit_ms = limit_ms
        self._pause_ms = pause_ms
        self._fed_ms: float | None = None
        self._since_ms = 0.0

    def gave(self, at_ms: float) -> None:
        """The model gave anything at all."""
        self._since_ms = at_ms

    def fed(self, at_ms: float) -> bool:
        """The model was given audio; True when it has been mute for too long."""
        if self._fed_ms is None or at_ms - self._fed_ms > self._pause_ms:
            self._since_ms = at_ms
        self._fed_ms = at_ms
        return at_ms - self._since_ms >= self._limit_ms
