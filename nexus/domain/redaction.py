"""Personal data out of text: phone numbers, card numbers, e-mail addresses become marks.

Numbers are found as digits (spaces, dots, dashes and brackets between them allowed) and as spoken digit words. Dates, times and
prices stay.
"""

from __future__ import annotations

import re
from collections import Counter

_DIGIT_WORD = r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple)"
_SPOKEN_NAME = r"(?:\w(?: \w){2,20}|\w{1,40}(?: (?:dot|dash|hyphen|underscore|plus) \w{1,40}){0,4})"
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("email", re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")),
    ("email", re.compile(rf"\b{_SPOKEN_NAME} at \w{{1,40}}(?: dot \w{{2,20}}){{1,3}}\b", re.IGNORECASE)),
    ("card", re.compile(r"(?<![\d-])(?:\d[ -]?){12,18}\d(?!\d)")),
    (
        "phone",
        re.compile(r"(?<![\w-])(?!\d{4}-\d{2}-\d{2}(?!\d))(?!\d{1,6}\.\d\d?(?!\d|[ ./-]{1,2}\d))\+?\(?\d(?:[ .()/-]{0,3}\d){6,14}(?!\d)"),
    ),
    ("phone", re.compile(r"(?<![\d:.])\d(?:[ ,.-]{1,2}\d(?!\d)){6,14}(?![\d:])")),
    ("phone", re.compile(rf"\b{_DIGIT_WORD}(?:[\s,-]+{_DIGIT_WORD}){{5,}}\b", re.IGNORECASE)),
)


_DATE_OR_TIME = re.compile(
    r"""(?<![\w.+/@-])
    ( (?:19|20)\d\d[-/.](?:0?[1-9]|1[0-2])[-/.](?:[12]\d|3[01]|0?[1-9]) (?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?
    | (?:[12]\d|3[01]|0?[1-9])[-/.](?:[12]\d|3[01]|0?[1-9])[-/.](?:19|20)\d\d
    | [012]?\d:[0-5]\d(?::[0-5]\d)?
    )
    (?![\w@:]|[./-]\w)""",
    re.VERBOSE,
)
"""Left out of the search, so that "21.11.2026 10" is not read as one number."""


def redact(text: str) -> tuple[str, Counter[str]]:
    """Give the text with each find replaced by ``[kind]``, and how many of each kind were found."""
    counts: Counter[str] = Counter()
    pieces = _DATE_OR_TIME.split(text)  # every second piece is a date or a time
    for index in range(0, len(pieces), 2):
        for kind, pattern in _PATTERNS:
            pieces[index], found = pattern.subn(f"[{kind}]", pieces[index])
            if found:
                counts[kind] += found
    return "".join(pieces), counts
