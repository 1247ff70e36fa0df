"""Two channels of PCM as one Ogg Opus stream that any player reads, and where such a stream ends when its writer was killed. Pure.

The channels are two streams of their own inside one packet, not a stereo pair: at the rates of speech a pair shares bands, and what one
party said would be heard on the other's side.

**Source:** RFC 7845 section 5.1.1 (channel mapping family 1, streams that are not coupled), RFC 6716 appendix B (self-delimiting packets).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from media_plane.audio import BYTES_PER_SAMPLE, FRAME_MS, AudioFrame
from media_plane.codecs.ogg import CAPTURE, PRE_SKIP_SAMPLES, OggWriter, page_crc
from media_plane.codecs.opus import OpusEncoder
from media_plane.recording.tape import TAPE_RATE_HZ

CHANNELS = 2
BITRATE_BPS = 24_000
"""Of one channel: speech at 16 kHz."""
_BLOCK_BYTES = TAPE_RATE_HZ * FRAME_MS // 1000 * BYTES_PER_SAMPLE
_SILENT_BLOCK = bytes(_BLOCK_BYTES)
_SETTLING_BLOCKS = 3
_HEADER = struct.Struct("<4sBBqIIIB")
_CRC_AT = 22
_ONE_FRAME = 0b11
_SHORT = 252


class StereoStream:
    """Encodes one call: ``headers`` once, then ``pages`` as audio comes, ``last`` set on the last ones."""

    def __init__(self, serial: int) -> None:
        self._voices = (_Voice(), _Voice())
        self._writer = OggWriter(serial, input_rate_hz=TAPE_RATE_HZ)

    def headers(self) -> bytes:
        """The pages that open the stream."""
        return b"".join(self._writer.headers(streams=CHANNELS))

    def pages(self, left: bytes, right: bytes, *, last: bool = False) -> bytes:
        """Both channels' PCM16 at 16 kHz, equally long, whole blocks of 20 ms; a page a second."""
        left_voice, right_voice = self._voices
        packets = [
            self_delimited(left_voice.packet(left[at : at + _BLOCK_BYTES])) + right_voice.packet(right[at : at + _BLOCK_BYTES])
            for at in range(0, len(left), _BLOCK_BYTES)
        ]
        a_second = 1000 // FRAME_MS
        return b"".join(
            self._writer.page(packets[at : at + a_second], last=last and at + a_second >= len(packets))
            for at in range(0, len(packets), a_second)
        )


class _Voice:
    """One channel's encoder. Digital silence costs nothing: after a few blocks of it, in which the last sound dies away, the packet is
    the one that says so."""

    def __init__(self) -> None:
        self._encoder = OpusEncoder(TAPE_RATE_HZ, bitrate_bps=BITRATE_BPS)
        self._silent_blocks = 0
        self._silence = OpusEncoder(TAPE_RATE_HZ, bitrate_bps=BITRATE_BPS).encode(AudioFrame(_SILENT_BLOCK, TAPE_RATE_HZ))

    def packet(self, block: bytes) -> bytes:
        if block != _SILENT_BLOCK:
            self._silent_blocks = 0
        elif self._silent_blocks >= _SETTLING_BLOCKS:
            return self._silence
        else:
            self._silent_blocks += 1
        return self._encoder.encode(AudioFrame(block, TAPE_RATE_HZ))


def self_delimited(packet: bytes) -> bytes:
    """A packet of one frame that says itself how long it is, as every stream but the last must.

    Raises:
        ValueError: the packet has more than one frame.
    """
    if not packet or packet[0] & _ONE_FRAME:
        raise ValueError("only packets of one frame can be laid side by side here")
    size = len(packet) - 1
    length = bytes((size,)) if size < _SHORT else bytes((_SHORT + size % 4, (size - (_SHORT + size % 4)) // 4))
    return packet[:1] + length + packet[1:]


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """Where the last whole page ends, and how long all audio is by then."""

    end_bytes: int
    duration_ms: float


def stream_end(tail: bytes, at: int = 0) -> StreamEnd | None:
    """The end of a stream, also of one that broke off in the middle of a page.

    Args:
        tail: the last bytes of the file; 128 KB hold more than one page.
        at: where in the file the tail begins.

    Returns:
        None when there is no whole page with audio.
    """
    found = tail.rfind(CAPTURE)
    while found >= 0:
        size = _page_bytes(tail, found)
        granule = _HEADER.unpack_from(tail, found)[3] if size else -1
        if size and granule > 0 and _sound(tail[found : found + size]):
            return StreamEnd(at + found + size, max(0, granule - PRE_SKIP_SAMPLES) / 48.0)
        found = tail.rfind(CAPTURE, 0, found)
    return None


def _page_bytes(data: bytes, at: int) -> int:
    """Length of the page that begins there; 0 when it is not all there."""
    body = at + _HEADER.size
    if len(data) < body:
        return 0
    lacing = data[body : body + data[body - 1]]
    size = _HEADER.size + data[body - 1] + sum(lacing)
    return size if len(lacing) == data[body - 1] and len(data) >= at + size else 0


def _sound(page: bytes) -> bool:
    return page_crc(page[:_CRC_AT] + b"\0\0\0\0" + page[_CRC_AT + 4 :]) == page[_CRC_AT : _CRC_AT + 4]
