"""Opus packets to PCM16 mono and back, by libopus in this process.

libopus decodes to, and encodes from, 8, 12, 16, 24 and 48 kHz mono itself, so no resampler stands beside it.

**Source:** RFC 6716 (Opus); docs of ``opus_decode`` and ``opus_encode`` on opus-codec.org.
"""

from __future__ import annotations

import ctypes

import opuslib_next
from opuslib_next.api import c_int16_pointer
from opuslib_next.api.decoder import libopus_decode
from opuslib_next.api.encoder import libopus_encode

from media_plane.audio import BYTES_PER_SAMPLE, FRAME_MS, AudioFrame

OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
"""Rates that libopus takes and gives without a resampler."""
BITRATE_BPS = 32_000
COMPLEXITY = 4
"""CELT low delay at these two costs a quarter of the speech mode and looks 2.5 ms ahead instead of 6.5."""
_LONGEST_PACKET_MS = 120
_CONCEALED_MS = 20
_PACKET_BYTES = 1_276
"""More than any 20 ms mono packet needs (RFC 6716 section 3.4: a frame is at most 1275 bytes)."""


class OpusCorrupt(ValueError):
    """libopus cannot read the packet."""


class OpusDecoder:
    """Decodes the packets of one stream, in order, to PCM16 mono at ``sample_rate_hz`` (one of ``OPUS_RATES_HZ``)."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._decoder = opuslib_next.Decoder(sample_rate_hz, 1)
        self._room_samples = sample_rate_hz * _LONGEST_PACKET_MS // 1000
        self._pcm = ctypes.create_string_buffer(self._room_samples * BYTES_PER_SAMPLE)
        self._pointer = ctypes.cast(self._pcm, c_int16_pointer)

    def decode(self, packet: bytes) -> AudioFrame:
        """The audio of one packet, 2.5 to 120 ms.

        Raises:
            OpusCorrupt: the packet is empty or broken; ``conceal`` gives audio in its place and decoding goes on.
        """
        if not packet:
            raise OpusCorrupt("empty packet")
        return self._run(packet, len(packet), self._room_samples)

    def conceal(self, duration_ms: int = _CONCEALED_MS) -> AudioFrame:
        """What probably sounded in a lost packet: the last sound, faded. ``duration_ms`` is a multiple of 10, at most 120."""
        return self._run(None, 0, self.sample_rate_hz * duration_ms // 1000)

    def _run(self, packet: bytes | None, size: int, samples: int) -> AudioFrame:
        decoded: int = libopus_decode(self._decoder.decoder_state, packet, size, self._pointer, samples, 0)
        if decoded < 0:
            raise OpusCorrupt(f"libopus error {decoded}")
        return AudioFrame(ctypes.string_at(self._pcm, decoded * BYTES_PER_SAMPLE), self.sample_rate_hz)


class OpusEncoder:
    """Encodes 20 ms frames of PCM16 mono at ``sample_rate_hz`` (one of ``OPUS_RATES_HZ``) to one packet each."""

    def __init__(self, sample_rate_hz: int, *, bitrate_bps: int = BITRATE_BPS) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._encoder = opuslib_next.Encoder(sample_rate_hz, 1, opuslib_next.APPLICATION_RESTRICTED_LOWDELAY)
        self._encoder.bitrate = bitrate_bps
        self._encoder.complexity = COMPLEXITY
        self._samples = sample_rate_hz * FRAME_MS // 1000
        self._packet = ctypes.create_string_buffer(_PACKET_BYTES)

    def encode(self, frame: AudioFrame) -> bytes:
        """The packet of one frame.

        Raises:
            ValueError: the frame is not 20 ms at the encoder's rate.
        """
        if frame.sample_rate_hz != self.sample_rate_hz or frame.samples != self._samples:
            raise ValueError(f"an Opus frame is {FRAME_MS} ms at {self.sample_rate_hz} Hz, not {frame.samples} at {frame.sample_rate_hz}")
        samples = ctypes.cast(ctypes.c_char_p(frame.pcm), c_int16_pointer)
        size: int = libopus_encode(self._encoder.encoder_state, samples, self._samples, self._packet, _PACKET_BYTES)
        if size < 0:
            raise ValueError(f"libopus error {size}")
        return self._packet.raw[:size]
