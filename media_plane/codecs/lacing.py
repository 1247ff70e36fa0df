"""The packets inside one Matroska block, whatever its lacing.

**Source:** RFC 9559 section 10 (block structure, Xiph, EBML and fixed-size lacing).
"""

from __future__ import annotations

from itertools import accumulate, pairwise

_NONE, _XIPH, _FIXED, _EBML = 0, 1, 2, 3


class BlockFault(Exception):
    """The block contradicts itself."""


def packets_of_block(body: bytes) -> tuple[int, tuple[bytes, ...]]:
    """The track number and the packets of a SimpleBlock or Block body. Raises BlockFault."""
    track, at = _number(body, 0)
    if len(body) < at + 3:
        raise BlockFault
    lacing = (body[at + 2] >> 1) & 3
    at += 3
    if lacing == _NONE:
        return track, (body[at:],)
    if at >= len(body):
        raise BlockFault
    count, at = body[at] + 1, at + 1
    if lacing == _FIXED:
        return track, _fixed(body[at:], count)
    sizes, at = _xiph_sizes(body, at, count) if lacing == _XIPH else _ebml_sizes(body, at, count)
    return track, _cut(body[at:], sizes)


def _number(body: bytes, at: int) -> tuple[int, int]:
    """A variable-length number and where it ends."""
    if at >= len(body):
        raise BlockFault
    length = 9 - body[at].bit_length()
    if length > 8 or at + length > len(body):
        raise BlockFault
    return int.from_bytes(body[at : at + length], "big") & ((1 << (7 * length)) - 1), at + length


def _fixed(data: bytes, count: int) -> tuple[bytes, ...]:
    size, odd = divmod(len(data), count)
    if odd or not size:
        raise BlockFault
    return tuple(data[i : i + size] for i in range(0, len(data), size))


def _xiph_sizes(body: bytes, at: int, count: int) -> tuple[list[int], int]:
    """All sizes but the last, and where the data begins."""
    sizes: list[int] = []
    for _ in range(count - 1):
        size = 0
        while True:
            if at >= len(body):
                raise BlockFault
            size += body[at]
            at += 1
            if body[at - 1] < 255:
                break
        sizes.append(size)
    return sizes, at


def _ebml_sizes(body: bytes, at: int, count: int) -> tuple[list[int], int]:
    """Like ``_xiph_sizes``; after the first size only signed differences are written."""
    if count == 1:
        return [], at
    first, at = _number(body, at)
    sizes = [first]
    for _ in range(count - 2):
        start = at
        raw, at = _number(body, at)
        sizes.append(sizes[-1] + raw - ((1 << (7 * (at - start) - 1)) - 1))
    return sizes, at


def _cut(data: bytes, sizes: list[int]) -> tuple[bytes, ...]:
    if min(sizes, default=0) < 0 or sum(sizes) > len(data):
        raise BlockFault
    edges = [*accumulate(sizes, initial=0), len(data)]
    return tuple(data[a:b] for a, b in pairwise(edges))
