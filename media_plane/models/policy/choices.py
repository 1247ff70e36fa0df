"""Which of some known values a caller means, allowing for plurals and words misheard by speech recognition."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from media_plane.models.policy.words import STOP_WORDS, stem, words_of

_ALIKE = 0.8
_SIZES = {"big": "large", "little": "small"}
_ENOUGH = 0.7


def find_choices(text: str, values: Sequence[str]) -> list[str]:
    """The values that the text names, in the order of the text; of overlapping ones the longer."""
    heard = [stem(_SIZES.get(word, word)) for word in words_of(text)]
    every = {value: _value_words(value) for value in values}
    finds: list[tuple[float, int, int, str]] = []
    for value, wanted in every.items():
        distinct = {word for word in wanted if all(word not in other for name, other in every.items() if name != value)}
        if best := _best_place(heard, wanted, distinct):
            finds.append((*best, value))
    finds.sort(key=lambda find: (-find[0] * (find[2] - find[1]), find[1]))
    taken: set[int] = set()
    chosen: list[tuple[int, str]] = []
    for _, start, end, value in finds:
        if taken.isdisjoint(range(start, end)):
            taken.update(range(start, end))
            chosen.append((start, value))
    return [value for _, value in sorted(chosen)]


def _value_words(value: str) -> list[str]:
    return [stem(word) for word in words_of(value) if word not in STOP_WORDS] or [stem(word) for word in words_of(value)]


def _best_place(heard: list[str], wanted: list[str], distinct: set[str]) -> tuple[float, int, int] | None:
    """The best likeness of ``wanted`` anywhere in ``heard`` with its place, when it is like enough."""
    best: tuple[float, int, int] | None = None
    for start in range(len(heard)):
        for width in range(1, len(wanted) + 2):
            window = heard[start : start + width]
            if len(window) < width:
                break
            score = _likeness(window, wanted, distinct)
            if score >= _ENOUGH and (best is None or score > best[0]):
                best = (score, start, start + width)
    return best


def _likeness(window: list[str], wanted: list[str], distinct: set[str]) -> float:
    joined, target = "".join(window), "".join(wanted)
    if joined == target:
        return 1.0 if len(window) == len(wanted) else 0.97
    if len(window) == len(wanted) and len(wanted) > 1:
        each = [_ratio(a, b) for a, b in zip(window, wanted, strict=True)]
        return sum(each) / len(each) if max(each) == 1.0 else 0.0
    if len(window) == 1 and len(window[0]) > 2 and window[0] in distinct:
        return 0.71
    ratio = _ratio(joined, target)
    return ratio if len(target) > 3 and ratio >= _ALIKE else 0.0


def _ratio(a: str, b: str) -> float:
    return SequenceMatcher(None, a, b).ratio() if a[:1] == b[:1] else 0.0
