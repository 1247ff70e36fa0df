"""Reads a WAV stream that arrives in pieces cut anywhere, also one whose sizes are unknown.

**Source:** Microsoft, "Multiple Channel Audio Data and WAVE Files"; RFC 2361 (format tags).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from media_plane.audio import AudioFrame
from media_plane.codecs.g711 import mulaw_to_pcm
from nexus.errors import ProtocolViolation

HEADER_LIMIT_BYTES = 65_536
"""The longest chunk beside the audio that is passed over."""
_UNKNOWN_SIZES = frozenset({0, 0xFFFFFFFF})
"""What recorders that cannot seek back write for the length of the audio."""
_PCM, _FLOAT, _MULAW, _EXTENSIBLE = 1, 3, 7, 0xFFFE
_FMT_BYTES = 16
_Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Layout:
    """The ``fmt`` chunk: how the bytes of the audio are to be read."""

    tag: int
    channels: int
    sample_rate_hz: int
    bits: int

    @property
    def block_bytes(self) -> int:
        return self.channels * self.bits // 8


def _int24(data: bytes) -> _Samples:
    triples = np.frombuffer(data, np.uint8).reshape(-1, 3)
    padded = np.zeros((len(triples), 4), np.uint8)
    padded[:, 1:] = triples
    return (padded.view("<i4")[:, 0] / 65_536.0).astype(np.float32)


_TO_SCALE: Mapping[tuple[int, int], Callable[[bytes], _Samples]] = {
    (_PCM, 8): lambda data: (np.frombuffer(data, np.uint8).astype(np.float32) - 128.0) * 256.0,
    (_PCM, 16): lambda data: np.frombuffer(data, "<i2").astype(np.float32),
    (_PCM, 24): _int24,
    (_PCM, 32): lambda data: (np.frombuffer(data, "<i4") / 65_536.0).astype(np.float32),
    (_FLOAT, 32): lambda data: np.nan_to_num(np.frombuffer(data, "<f4")) * np.float32(32_768.0),
    (_FLOAT, 64): lambda data: (np.nan_to_num(np.frombuffer(data, "<f8")) * 32_768.0).astype(np.float32),
    (_MULAW, 8): lambda data: np.frombuffer(mulaw_to_pcm(data), "<i2").astype(np.float32),
}
"""Format tag and bits to samples on the 16-bit scale."""


class WavReader:
    """One or more WAV files, one after the other, as PCM16 mono at their own rate. More channels are mixed down."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._layout: _Layout | None = None
        self._audio_bytes: int | None = 0
        self._skip_bytes = 0
        self._inside = False
        self._padding_bytes = 0

    def feed(self, data: bytes) -> tuple[AudioFrame, ...]:
        """The whole samples of what came.

        Raises:
            ProtocolViolation: ``audio_corrupt`` (not a WAV stream), ``codec_unsupported`` (a format inside that is not read).
        """
        self._buffer += data
        frames: list[AudioFrame] = []
        while self._step(frames):
            pass
        return tuple(frames)

    def _step(self, frames: list[AudioFrame]) -> bool:
        if self._skip_bytes:
            passed = min(self._skip_bytes, len(self._buffer))
            del self._buffer[:passed]
            self._skip_bytes -= passed
            return self._skip_bytes == 0
        if self._audio_bytes != 0:
            return self._take_audio(frames)
        return self._take_chunk()

    def _take_audio(self, frames: list[AudioFrame]) -> bool:
        layout = self._layout
        assert layout is not None  # noqa: S101 - a data chunk is entered only after its fmt chunk
        room = len(self._buffer) if self._audio_bytes is None else min(len(self._buffer), self._audio_bytes)
        whole = room // layout.block_bytes * layout.block_bytes
        if whole:
            frames.append(_mono(layout, bytes(self._buffer[:whole])))
            del self._buffer[:whole]
        if self._audio_bytes is None:
            return False
        self._audio_bytes -= whole
        if self._audio_bytes < layout.block_bytes:
            self._skip_bytes, self._audio_bytes = self._audio_bytes + self._padding_bytes, 0
        return self._audio_bytes == 0

    def _take_chunk(self) -> bool:
        if len(self._buffer) < 8:
            return self._begins_well()
        name, size = struct.unpack_from("<4sI", self._buffer)
        if name == b"RIFF":
            return self._take_riff()
        if self._layout is None and name != b"fmt " and not self._inside:
            raise _corrupt()
        if name == b"fmt ":
            return self._take_fmt(size)
        del self._buffer[:8]
        if name == b"data":
            self._begin_audio(size)
        else:
            self._skip(size + size % 2)
        return True

    def _begins_well(self) -> bool:
        if not self._inside and not b"RIFF".startswith(bytes(self._buffer[:4])):
            raise _corrupt()
        return False

    def _take_riff(self) -> bool:
        if len(self._buffer) < 12:
            return False
        if self._buffer[8:12] != b"WAVE":
            raise _corrupt()
        del self._buffer[:12]
        self._inside, self._layout = True, None
        return True

    def _take_fmt(self, size: int) -> bool:
        if not _FMT_BYTES <= size <= HEADER_LIMIT_BYTES:
            raise _corrupt()
        end = 8 + size + size % 2
        if len(self._buffer) < end:
            return False
        self._layout = _layout(bytes(self._buffer[8 : 8 + size]))
        del self._buffer[:end]
        return True

    def _begin_audio(self, size: int) -> None:
        if self._layout is None:
            raise _corrupt()
        self._audio_bytes = None if size in _UNKNOWN_SIZES else size
        self._padding_bytes = size % 2

    def _skip(self, size: int) -> None:
        if size > HEADER_LIMIT_BYTES:
            raise _corrupt()
        self._skip_bytes = size


def _corrupt() -> ProtocolViolation:
    return ProtocolViolation("audio_corrupt", "this is not a WAV stream: send the RIFF header first, then the audio")


def _layout(body: bytes) -> _Layout:
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 26:
        tag = struct.unpack_from("<H", body, 24)[0]
    if (tag, bits) not in _TO_SCALE or not 1 <= channels <= 8 or not 4_000 <= rate_hz <= 192_000:
        raise ProtocolViolation(
            "codec_unsupported",
            f"WAV format {tag} with {bits} bits, {channels} channels, {rate_hz} Hz is not read: send PCM (8 to 32 bits), float or mu-law",
        )
    return _Layout(tag, channels, rate_hz, bits)


def _mono(layout: _Layout, data: bytes) -> AudioFrame:
    if (layout.tag, layout.bits, layout.channels) == (_PCM, 16, 1):
        return AudioFrame(data, layout.sample_rate_hz)
    samples = _TO_SCALE[layout.tag, layout.bits](data)
    if layout.channels > 1:
        samples = samples.reshape(-1, layout.channels).mean(axis=1)
    return AudioFrame(np.clip(np.rint(samples), -32_768, 32_767).astype("<i2").tobytes(), layout.sample_rate_hz)
