"""Reads the recorded conversations of ``tests/golden/personaplex`` and takes Ogg pages apart, byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "golden" / "personaplex"
_RECORD = struct.Struct("<dBI")
_PAGE = struct.Struct("<4sBBqIIIB")


@dataclass(frozen=True, slots=True)
class Tape:
    """``client`` and ``server``: the binary messages of each side, in order. ``close_code``: what the client saw (0: its own close)."""

    client: tuple[bytes, ...]
    server: tuple[bytes, ...]
    close_code: int


@dataclass(frozen=True, slots=True)
class Page:
    """The fields of one Ogg page (RFC 3533 section 6); ``packets`` are those that end on it."""

    flags: int
    granule: int
    serial: int
    sequence: int
    packets: tuple[bytes, ...]


def tape(name: str) -> Tape:
    """One recording."""
    records = list(_records((_FOLDER / f"{name}.bin").read_bytes()))
    client, server, closes = (tuple(payload for way, payload in records if way == wanted) for wanted in (0, 1, 2))
    return Tape(client, server, struct.unpack("<H", closes[-1])[0])


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        _, way, length = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        yield way, data[at : at + length]
        at += length


def page(data: bytes) -> Page:
    """Exactly one page; AssertionError when there is more, or less."""
    magic, version, flags, granule, serial, sequence, _, count = _PAGE.unpack_from(data)
    assert (magic, version) == (b"OggS", 0), data[:8]
    sizes = data[_PAGE.size : _PAGE.size + count]
    at = _PAGE.size + count
    packets, packet = [], b""
    for size in sizes:
        packet += data[at : at + size]
        at += size
        if size < 255:
            packets.append(packet)
            packet = b""
    assert at == len(data) and not packet, "one whole page a message"
    return Page(flags, granule, serial, sequence, tuple(packets))
