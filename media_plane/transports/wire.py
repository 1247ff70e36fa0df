"""What a wire codec is: the sans-I/O half of a transport, and the audio codecs it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from media_plane.audio import EAR_RATE_HZ, AudioFormat, AudioFrame, Codec
from media_plane.codecs.decoders import decoder_for, sniff
from media_plane.codecs.encoders import encoder_for
from media_plane.conversation.commands import Tell
from media_plane.ports.caller import Received, ReceivedAudio, ReceivedNothing
from nexus.errors import ProtocolViolation

MAX_VIOLATIONS = 20
"""So many broken messages are answered with an error; one more ends the call."""


class Decoder(Protocol):
    """Caller bytes to frames at 16 kHz; holds the state of one stream."""

    @property
    def packets(self) -> tuple[bytes, ...]:
        """The Opus packets of the last ``feed``."""
        ...

    @property
    def corrupt(self) -> int:
        """How many pieces could not be decoded so far."""
        ...

    def feed(self, message: bytes) -> tuple[AudioFrame, ...]: ...


class Encoder(Protocol):
    """Agent frames of any rate to wire messages; holds the state of one stream."""

    def encode(self, frame: AudioFrame) -> tuple[bytes, ...]: ...

    def flush(self) -> tuple[bytes, ...]:
        """What was held back for a full frame."""
        ...

    def reset(self) -> None:
        """Forget what was held back."""
        ...


@dataclass(frozen=True, slots=True)
class AudioCodecs:
    """How decoders and encoders are made."""

    decoder_for: Callable[[AudioFormat], Decoder]
    encoder_for: Callable[[AudioFormat], Encoder]
    sniff: Callable[[bytes], Codec | None]


PRODUCT_CODECS = AudioCodecs(decoder_for, encoder_for, sniff)
"""The real ones."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """What one message of the client means, and what must be answered at once."""

    received: tuple[Received, ...] = ()
    replies: tuple[str, ...] = ()


class WireCodec(Protocol):
    """One call's protocol state. Pure: bytes and text in, values out."""

    @property
    def output(self) -> AudioFormat: ...

    @property
    def is_open(self) -> bool:
        """Whether audio may flow: the client has said what it sends."""
        ...

    @property
    def corrupt_frames(self) -> int:
        """How many pieces of caller audio could not be decoded so far."""
        ...

    def receive(self, message: bytes | str) -> Incoming:
        """Raises ProtocolViolation when the call must end."""
        ...

    def tell(self, message: Tell) -> tuple[bytes | str, ...]: ...

    def play(self, frame: AudioFrame) -> tuple[bytes, ...]: ...

    def error(self, code: str, message: str, *, retryable: bool) -> str: ...

    def ended(self, reason: str) -> tuple[str, ...]: ...


class Violations:
    """Counts what a client did wrong; patience is limited."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, violation: ProtocolViolation) -> None:
        """Note one. Raises the violation itself once there were too many."""
        self._count += 1
        if self._count > MAX_VIOLATIONS:
            raise violation


def heard(frames: tuple[AudioFrame, ...], packets: tuple[bytes, ...]) -> Received:
    """One received value for all that a message held."""
    pcm = b"".join(frame.pcm for frame in frames)
    return ReceivedAudio(AudioFrame(pcm, EAR_RATE_HZ), packets) if pcm else ReceivedNothing()


class CallerAudioStream:
    """A decoder that answers for corrupt audio: the first fault is told, then each time their number has doubled."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._next_report = 1

    @property
    def corrupt(self) -> int:
        return self._decoder.corrupt

    def feed(self, message: bytes) -> tuple[Received, bool]:
        """What was heard, and whether the client should be told that its audio is corrupt."""
        value = heard(self._decoder.feed(message), self._decoder.packets)
        tell = self._decoder.corrupt >= self._next_report
        if tell:
            self._next_report = 2 * self._decoder.corrupt
        return value, tell
