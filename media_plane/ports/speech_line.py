"""Full-duplex speech models: a session of one, and the server processes that carry them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from media_plane.audio import AudioFrame
from media_plane.conversation.commands import CallerAudio
from nexus.domain.session import Party
from nexus.domain.tenant import TenantConfig


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
