"""Plain words out of recognised speech: normal form, number words as digits, stems, yes and no."""

from __future__ import annotations

import re

_UNITS = {
    word: i
    for i, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_ORDINAL_UNITS = {
    "first": 1, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11,
    "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18,
    "nineteenth": 19, "twentieth": 20, "thirtieth": 30,
}  # fmt: skip
_TOKEN = re.compile(r"[a-z0-9']+(?:[.:@+-][a-z0-9@.+-]*[a-z0-9])?|[^\sa-z0-9']", re.IGNORECASE)
_WORD = re.compile(r"[a-z0-9]+")
_FILLERS = re.compile(r"\b(?:uh+|um+|erm*|hmm+|mm+|like,|you know,|well,|so,|i mean,?|actually,?|please)\b[,.]?", re.IGNORECASE)

_STOP_WORDS = (
    "a an the and or of to for in on at by with from is are was be am been do does did have has had can could would will shall should may"
    " i i'm i'd i'll me my we our you your it its it's that this these"
    " those there here some any one ones please just like want need get let"
    " us hi hello hey okay ok yes no not so well then than if as but what when where which who how much many about also too very really"
    " thank thanks tell know ll d s m re ve t"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())

_YES = re.compile(
    r"^(?:(?:uh|um|oh|well|okay|ok|and)[,. ]+)*(?:yes|yeah|yep|yup|ya|sure"
    r"|correct|right|exactly|absolutely|definitely|certainly|of course|please do"
    r"|go ahead|do it|book it|sounds (?:good|great|right|perfect)"
    r"|that's (?:right|correct|fine|perfect|good|it|great)|that is (?:right|correct|fine)"
    r"|that works|that would be (?:great|perfect|good|fine)|perfect|great|fine"
    r"|okay|ok|alright|all right|i do|i would|uh-huh|mm-hmm|confirm(?:ed)?|please)\b",
    re.IGNORECASE,
)
_NO = re.compile(
    r"^(?:(?:uh|um|oh|well|okay|ok|actually|and)[,. ]+)*(?:no|nope|nah"
    r"|not (?:really|quite|now|yet|that)|don't|do not|wrong|that's (?:wrong|not right|not it|all)"
    r"|that is (?:wrong|not right|all)|incorrect|wait|nothing(?: else)?)\b",
    re.IGNORECASE,
)


def normalise(text: str) -> str:
    """Lower case, straight quotes, number words as digits: ``"Half past ten"`` gives ``"half past 10"``."""
    text = text.lower().replace("’", "'").replace("‘", "'")
    text = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", text)
    tokens = _TOKEN.findall(re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text))
    return re.sub(r"([$€£]) (?=\d)", r"\1", " ".join(_join_digits(tokens))).strip()


def _join_digits(tokens: list[str]) -> list[str]:
    given: list[str] = []
    i = 0
    while i < len(tokens):
        value, used = _number(tokens, i)
        if used:
            given.append(value)
            i += used
        else:
            given.append(tokens[i])
            i += 1
    return given


def _number(tokens: list[str], i: int) -> tuple[str, int]:
    """The number that begins at token ``i`` as digits, and how many tokens it takes (0: none)."""
    word = tokens[i]
    following = tokens[i + 1] if i + 1 < len(tokens) else ""
    if word in ("double", "triple") and following in _UNITS and _UNITS[following] < 10:
        return " ".join([str(_UNITS[following])] * (2 if word == "double" else 3)), 2
    if word in _TENS:
        if 0 < _UNITS.get(following, 0) < 10:
            return str(_TENS[word] + _UNITS[following]), 2
        if following == "second" or _ORDINAL_UNITS.get(following, 99) < 10:
            return _ordinal(_TENS[word] + _ORDINAL_UNITS.get(following, 2)), 2
        return str(_TENS[word]), 1
    if word == "hundred":
        return "100", 1
    if word in _UNITS:
        return str(_UNITS[word]), 1
    if word in _ORDINAL_UNITS or (word == "second" and i > 0 and tokens[i - 1] == "the"):
        return _ordinal(_ORDINAL_UNITS.get(word, 2)), 1
    if word in ("oh", "o") and i > 0 and (tokens[i - 1] in _UNITS or tokens[i - 1] in (word, ",")) and following in _UNITS:
        return "0", 1
    return "", 0


def _ordinal(number: int) -> str:
    return f"{number}{'th' if 10 < number % 100 < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def stem(word: str) -> str:
    """A crude English stem: enough for "bookings", "booked" and "book" to meet."""
    for ending, least in (
        ("ings", 3),
        ("ing", 3),
        ("ies", 2),
        ("ied", 2),
        ("ations", 3),
        ("ation", 3),
        ("ed", 3),
        ("es", 3),
        ("s", 3),
        ("e", 3),
    ):
        if word.endswith(ending) and len(word) - len(ending) >= least and not word.endswith("ss"):
            root = word[: -len(ending)]
            root = root + "y" if ending in ("ies", "ied") else root
            return root[:-1] if len(root) > 3 and root[-1] == root[-2] and root[-1] not in "ls" else root
    return word


def words_of(text: str) -> list[str]:
    """Lower-case words of a label, an identifier or a sentence: ``customer_name`` and ``customerName`` give two."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower().replace("'", "")
    return _WORD.findall(spaced)


def stems(text: str) -> list[str]:
    """Stems of the words that carry meaning."""
    return [stem(word) for word in words_of(text) if word not in STOP_WORDS]


def without_fillers(text: str) -> str:
    """The text without "um", "well," and the like at any place."""
    return re.sub(r"\s{2,}", " ", _FILLERS.sub(" ", text)).strip(" ,.;!?")


def says_yes(text: str) -> bool:
    """Whether the text begins by agreeing."""
    return _YES.match(text.strip()) is not None and not says_no(text)


def says_no(text: str) -> bool:
    """Whether the text begins by refusing."""
    return _NO.match(text.strip()) is not None


def label(identifier: str) -> str:
    """``party_size`` as one says it: "party size"."""
    return " ".join(words_of(identifier))
