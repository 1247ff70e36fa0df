"""Opus packets into a live Ogg stream, and out of one that arrives in pieces cut anywhere.

**Source:** RFC 3533 (Ogg pages), RFC 7845 (Opus in Ogg).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from media_plane.codecs.opus_packet import packet_samples_48k

CAPTURE = b"OggS"
CONTINUED, FIRST, LAST = 1, 2, 4
_ALL_FLAGS = 7
PRE_SKIP_SAMPLES = 312
"""Samples at 48 kHz that a player leaves out at the start: how far libopus looks ahead."""
PACKET_LIMIT_BYTES = 61_440
"""The longest packet that is gathered over pages (RFC 7845 section 6 asks for so much); a longer one is dropped and counted."""
_HEADER = struct.Struct("<4sBBqIIIB")
_CRC_AT = 22
_SEGMENTS_MAX = 255
_NO_PACKET_ENDS = -1
_MIRROR = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
_ONES = 0xFFFFFFFF
_VENDOR = b"nexus"


def page_crc(page: bytes) -> bytes:
    """The four checksum bytes of a page whose checksum field is zero.

    Ogg's CRC runs the same polynomial as zlib's with the bits of every byte the other way round and without inversion, so zlib computes
    it over mirrored bytes (**Source:** RFC 3533 section 6, field 7).
    """
    return (zlib.crc32(page.translate(_MIRROR), _ONES) ^ _ONES).to_bytes(4, "big").translate(_MIRROR)


class OggWriter:
    """Makes the pages of one Opus stream, in order: ``headers`` once, then ``page`` as packets come.

    Args:
        serial: names the stream; the same on every page.
        input_rate_hz: of the audio before it was encoded, for the header only: Opus itself has no rate.
    """

    def __init__(self, serial: int, *, input_rate_hz: int = 24_000) -> None:
        self._serial = serial
        self._input_rate_hz = input_rate_hz
        self._sequence = 0
        self.samples_48k = 0
        """Length of all packets so far, samples at 48 kHz: the stream's clock (its granule position)."""

    def headers(self, *, streams: int = 1) -> tuple[bytes, bytes]:
        """The two pages that open the stream: ``OpusHead`` and ``OpusTags``.

        Args:
            streams: 1: mono; 2: each packet holds one mono stream for the left and one for the right channel.
        """
        head = b"OpusHead" + struct.pack("<BBHIhB", 1, streams, PRE_SKIP_SAMPLES, self._input_rate_hz, 0, streams > 1)
        if streams > 1:
            head += bytes((streams, 0, *range(streams)))
        tags = b"OpusTags" + struct.pack("<I", len(_VENDOR)) + _VENDOR + struct.pack("<I", 0)
        return self._pages((head,), FIRST), self._pages((tags,), 0)

    def page(self, packets: Sequence[bytes], *, last: bool = False) -> bytes:
        """The packets as one page (more only where they have more than 255 segments); the clock goes on by their own lengths.

        ``last``: nothing follows; for packets of one page.
        """
        if not packets:
            return b""
        self.samples_48k += sum(map(packet_samples_48k, packets))
        return self._pages(packets, LAST if last else 0)

    def _pages(self, packets: Sequence[bytes], flags: int) -> bytes:
        lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes((len(packet) % 255,)) for packet in packets)
        body = b"".join(packets)
        pages, at = [], 0
        for start in range(0, len(lacing), _SEGMENTS_MAX):
            table = lacing[start : start + _SEGMENTS_MAX]
            size = sum(table)
            pages.append(self._page(table, body[at : at + size], flags))
            at += size
            flags = CONTINUED if table[-1] == 255 else 0
        return b"".join(pages)

    def _page(self, table: bytes, body: bytes, flags: int) -> bytes:
        granule = self.samples_48k if min(table) < 255 else _NO_PACKET_ENDS
        header = _HEADER.pack(CAPTURE, 0, flags, granule, self._serial, self._sequence, 0, len(table))
        self._sequence = (self._sequence + 1) & _ONES
        page = header + table + body
        return page[:_CRC_AT] + page_crc(page) + page[_CRC_AT + 4 :]


@dataclass(slots=True)
class OggFaults:
    """What a reader met and passed over."""

    garbage_bytes: int = 0
    """Bytes that belong to no page, broken pages included."""
    bad_pages: int = 0
    """Pages whose checksum is wrong."""
    missing_pages: int = 0
    """Pages that never came, by the page numbers."""
    torn_packets: int = 0
    """Packets of which a part is missing, or longer than ``PACKET_LIMIT_BYTES``."""


@dataclass(frozen=True, slots=True)
class _Page:
    flags: int
    serial: int
    sequence: int
    table: bytes
    body: bytes


class OggReader:
    """The Opus packets of a stream, headers left out; bad pages, garbage and gaps are counted in ``faults`` and passed over.

    Holds at most one page (65,307 bytes) and one unfinished packet. A stream that begins anew (another serial number, another first
    page) is followed; two streams at once are not told apart.
    """

    def __init__(self) -> None:
        self.faults = OggFaults()
        self._buffer = bytearray()
        self._unfinished: bytearray | None = None
        self._serial = -1
        self._sequence = 0

    def feed(self, data: bytes) -> tuple[bytes, ...]:
        """The packets that are whole by now."""
        self._buffer += data
        return tuple(packet for page in self._whole_pages() for packet in self._packets(page))

    def _whole_pages(self) -> Iterator[_Page]:
        while self._find_capture() and (size := self._page_bytes()):
            page = bytes(self._buffer[:size])
            if page_crc(page[:_CRC_AT] + b"\0\0\0\0" + page[_CRC_AT + 4 :]) != page[_CRC_AT : _CRC_AT + 4]:
                self.faults.bad_pages += 1
                self._discard(1)  # what looked like a page may hide the true next one
                continue
            del self._buffer[:size]
            yield _parsed(page)

    def _find_capture(self) -> bool:
        """Throw away what stands before the next page."""
        while self._buffer:
            at = self._buffer.find(CAPTURE)
            if at < 0:
                kept = next((n for n in (3, 2, 1) if self._buffer.endswith(CAPTURE[:n])), 0)
                self._discard(len(self._buffer) - kept)
                return False
            self._discard(at)
            if len(self._buffer) < 6 or (self._buffer[4] == 0 and self._buffer[5] <= _ALL_FLAGS):
                return True
            self._discard(1)
        return False

    def _discard(self, count: int) -> None:
        self.faults.garbage_bytes += count
        del self._buffer[:count]

    def _page_bytes(self) -> int:
        """Length of the page at the start of the buffer; 0 while it is not all there."""
        if len(self._buffer) < _HEADER.size:
            return 0
        body_at = _HEADER.size + self._buffer[_HEADER.size - 1]
        size = body_at + sum(self._buffer[_HEADER.size : body_at])
        return size if len(self._buffer) >= max(size, body_at) else 0

    def _packets(self, page: _Page) -> Iterator[bytes]:
        self._note_place(page)
        if not page.flags & CONTINUED:
            self._tear()
        lost = bool(page.flags & CONTINUED) and self._unfinished is None
        at = 0
        for value in page.table:
            if not lost:
                self._gather(page.body[at : at + value])
            at += value
            if value == 255:
                continue
            packet, self._unfinished = self._unfinished, None
            if packet is None or len(packet) > PACKET_LIMIT_BYTES:
                self.faults.torn_packets += 1
            elif packet and not packet.startswith((b"OpusHead", b"OpusTags")):
                yield bytes(packet)
            lost = False

    def _note_place(self, page: _Page) -> None:
        if page.serial != self._serial or page.flags & FIRST:
            self._tear()
        elif missing := (page.sequence - self._sequence) & _ONES:
            # a number that went back is a new count, not four thousand million lost pages
            self.faults.missing_pages += missing if missing < 1 << 31 else 0
            self._tear()
        self._serial, self._sequence = page.serial, (page.sequence + 1) & _ONES

    def _tear(self) -> None:
        if self._unfinished is not None:
            self.faults.torn_packets += 1
            self._unfinished = None

    def _gather(self, part: bytes) -> None:
        if self._unfinished is None:
            self._unfinished = bytearray()
        if len(self._unfinished) <= PACKET_LIMIT_BYTES:
            self._unfinished += part


def _parsed(page: bytes) -> _Page:
    _, _, flags, _, serial, sequence, _, segments = _HEADER.unpack_from(page)
    body_at = _HEADER.size + segments
    return _Page(flags, serial, sequence, page[_HEADER.size : body_at], page[body_at:])
