"""Cutting a sentence into clauses that are synthesised one after another, so that the first audio comes early; pure."""

from __future__ import annotations

import re

_WHOLE_CHARS = 70
"""A sentence up to this long is spoken in one piece: its melody stays whole and it costs about 0.2 s."""
_LEAST_CHARS = 24
_MOST_CHARS = 200
_PAUSES_MS = {".": 220, "!": 220, "?": 220, ";": 160, ":": 160, ",": 110}


def clauses(text: str) -> list[str]:
    """Pieces of ``text`` in order, at most 200 characters each, cut after punctuation where possible."""
    pieces: list[str] = []
    for sentence in re.split(r"(?<=[.!?])\s+", text.strip()):
        pieces.extend([sentence] if len(sentence) <= _WHOLE_CHARS else _cut(sentence))
    return [part for piece in pieces for part in _wrapped(piece) if part]


def pause_ms(clause: str) -> int:
    """The silence after a clause, by the mark it ends with."""
    return _PAUSES_MS.get(clause[-1:], 60)


def _cut(sentence: str) -> list[str]:
    """Cut after , ; : wherever both sides are long enough to sound natural."""
    out = [""]
    for part in re.split(r"(?<=[,;:])\s+", sentence):
        if len(out[-1]) >= _LEAST_CHARS and len(part) >= _LEAST_CHARS // 2:
            out.append(part)
        else:
            out[-1] = f"{out[-1]} {part}".strip()
    return out


def _wrapped(piece: str) -> list[str]:
    """A piece that no punctuation divides, cut at spaces, or anywhere where there are none."""
    out: list[str] = []
    while len(piece) > _MOST_CHARS:
        at = piece.rfind(" ", 1, _MOST_CHARS)
        at = at if at > 0 else _MOST_CHARS
        out.append(piece[:at].strip())
        piece = piece[at:].strip()
    return [*out, piece]
