"""Takes the Opus packets out of a live WebM stream that arrives in pieces cut anywhere.

The tree is read flat: a master element that matters is entered by reading on after its header, so unknown sizes (which
browsers write for Segment and every Cluster) need no special case. After a fault the reader goes on at the next Cluster.

**Source:** RFC 8794 (EBML), RFC 9559 (Matroska), webmproject.org container guidelines.
"""

from __future__ import annotations

from dataclasses import dataclass

from media_plane.codecs.lacing import BlockFault, packets_of_block
from nexus.errors import ProtocolViolation

BLOCK_LIMIT_BYTES = 16_384
"""No block of a voice stream comes near this; a longer one is a fault."""
SKIP_LIMIT_BYTES = 65_536
"""The longest element that is passed over."""
UNKNOWN_LIMIT_BYTES = 4_096
"""The longest element of an unlisted id that is passed over: more is taken for corruption."""

_EBML = 0x1A45DFA3
_SEGMENT = 0x18538067
_CLUSTER = 0x1F43B675
_TRACKS = 0x1654AE6B
_TRACK_ENTRY = 0xAE
_TRACK_NUMBER = 0xD7
_CODEC_ID = 0x86
_BLOCK_GROUP = 0xA0
_BLOCK = 0xA1
_SIMPLE_BLOCK = 0xA3
_ENTERED = frozenset({_SEGMENT, _CLUSTER, _TRACKS, _TRACK_ENTRY, _BLOCK_GROUP})
_READ = frozenset({_TRACK_NUMBER, _CODEC_ID, _BLOCK, _SIMPLE_BLOCK})
_PASSED = frozenset({_EBML, 0xEC, 0xBF, 0x114D9B74, 0x1549A966, 0x1254C367, 0x1C53BB6B, 0x1043A770, 0x1941A469})
"""EBML header, Void, CRC-32, SeekHead, Info, Tags, Cues, Chapters, Attachments."""
_CLUSTER_BYTES = _CLUSTER.to_bytes(4, "big")
_EBML_BYTES = _EBML.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class _Header:
    """An element's id, the length of its header and of its body (None: unknown)."""

    id: int
    header_bytes: int
    body_bytes: int | None


class _Fault(Exception):
    """The bytes at hand are not WebM."""


class WebmReader:
    """The demuxer of one stream; a recorder that starts anew (a second EBML header) is followed."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip_bytes = 0
        self._lost = False
        self._entry_number: int | None = None
        self._entry_codec: bytes | None = None
        self._opus_track: int | None = None
        self._other_codec: bytes | None = None
        self.faults = 0
        """How often the stream was broken and reading went on at a later Cluster."""

    def feed(self, data: bytes) -> tuple[bytes, ...]:
        """The Opus packets that are whole by now.

        Raises:
            ProtocolViolation: ``codec_unsupported``, the stream has tracks but none of Opus.
        """
        self._buffer += data
        packets: list[bytes] = []
        while self._step(packets):
            pass
        return tuple(packets)

    def _step(self, packets: list[bytes]) -> bool:
        """Take one element, or part of one; False when more bytes are needed."""
        if self._skip_bytes:
            passed = min(self._skip_bytes, len(self._buffer))
            del self._buffer[:passed]
            self._skip_bytes -= passed
            return self._skip_bytes == 0
        if self._lost:
            return self._find_cluster()
        try:
            header = _read_header(self._buffer)
            return header is not None and self._take(header, packets)
        except (_Fault, BlockFault):
            self.faults += 1
            self._lost = True
            del self._buffer[:1]
            return True

    def _find_cluster(self) -> bool:
        found = [at for at in (self._buffer.find(_CLUSTER_BYTES), self._buffer.find(_EBML_BYTES)) if at >= 0]
        self._lost = not found
        del self._buffer[: min(found) if found else max(0, len(self._buffer) - 3)]
        return not self._lost

    def _take(self, header: _Header, packets: list[bytes]) -> bool:
        if header.id in _ENTERED:
            self._enter(header.id)
            del self._buffer[: header.header_bytes]
            return True
        if header.body_bytes is None:
            raise _Fault
        if header.id not in _READ:
            self._pass(header.id, header.body_bytes)
            del self._buffer[: header.header_bytes]
            return True
        if header.body_bytes > BLOCK_LIMIT_BYTES:
            raise _Fault
        end = header.header_bytes + header.body_bytes
        if len(self._buffer) < end:
            return False
        self._read(header.id, bytes(self._buffer[header.header_bytes : end]), packets)
        del self._buffer[:end]
        return True

    def _enter(self, element_id: int) -> None:
        if element_id == _TRACK_ENTRY:
            self._entry_number = self._entry_codec = None
        elif element_id == _CLUSTER and self._opus_track is None and self._other_codec is not None:
            codec = self._other_codec.decode("ascii", "replace")
            raise ProtocolViolation("codec_unsupported", f"the WebM stream holds {codec[:40]}; record with audio/webm;codecs=opus")

    def _pass(self, element_id: int, body_bytes: int) -> None:
        if body_bytes > (SKIP_LIMIT_BYTES if element_id in _PASSED else UNKNOWN_LIMIT_BYTES):
            raise _Fault
        if element_id == _EBML:
            self._opus_track = self._other_codec = None
        self._skip_bytes = body_bytes

    def _read(self, element_id: int, body: bytes, packets: list[bytes]) -> None:
        if element_id == _TRACK_NUMBER:
            self._entry_number = int.from_bytes(body, "big")
        elif element_id == _CODEC_ID:
            self._entry_codec = body.rstrip(b"\0")
        else:
            packets += self._packets(body)
            return
        if self._entry_number is not None and self._entry_codec is not None:
            self._note_track(self._entry_number, self._entry_codec)

    def _note_track(self, number: int, codec: bytes) -> None:
        if codec != b"A_OPUS":
            self._other_codec = codec
        elif self._opus_track is None:
            self._opus_track = number

    def _packets(self, body: bytes) -> tuple[bytes, ...]:
        if _CLUSTER_BYTES in body:
            raise _Fault  # a broken size has swallowed what came after the block
        track, packets = packets_of_block(body)
        return packets if self._opus_track in (None, track) else ()


def _read_header(buffer: bytearray) -> _Header | None:
    """The header at the start of the buffer, or None when it is not all there. Raises _Fault."""
    if not buffer:
        return None
    id_bytes = 9 - buffer[0].bit_length()
    if id_bytes > 4:
        raise _Fault
    if len(buffer) <= id_bytes:
        return None
    size_bytes = 9 - buffer[id_bytes].bit_length()
    if size_bytes > 8:
        raise _Fault
    whole = id_bytes + size_bytes
    if len(buffer) < whole:
        return None
    mask = (1 << (7 * size_bytes)) - 1
    size = int.from_bytes(buffer[id_bytes:whole], "big") & mask
    return _Header(int.from_bytes(buffer[:id_bytes], "big"), whole, None if size == mask else size)
