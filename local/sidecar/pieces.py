"""Words to text pieces such as a sentencepiece model gives; the genuine server sends its byte pieces unjoined too."""

from __future__ import annotations

import re

_LONGEST = 6


def pieces(text: str) -> list[str]:
    """Pieces with their leading spaces, long words in two, what is not ASCII as literal byte pieces (``<0xE2>``)."""
    found: list[str] = []
    for word in re.findall(r"_?(?:[^\W_]+|[^\w\s])", _spaced(text)):
        found += _word(word)
    return found


def _spaced(text: str) -> str:
    """Each word's leading space as a letter of it, as sentencepiece has it."""
    return "".join(f"_{word}" for word in text.replace("_", " ").split())


def _word(word: str) -> list[str]:
    if not word.isascii():
        return [piece for letter in word for piece in ([_shown(letter)] if letter.isascii() else _bytes(letter))]
    shown = _shown(word)
    return [shown] if len(shown) <= _LONGEST else [shown[:_LONGEST], shown[_LONGEST:]]


def _bytes(letter: str) -> list[str]:
    return [f"<0x{byte:02X}>" for byte in letter.encode()]


def _shown(word: str) -> str:
    return word.replace("_", " ")
