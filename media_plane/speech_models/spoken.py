"""Written text to words that a voice can read aloud (American English), pure.

``spoken`` runs a table of rewriting rules in order; each rule sees what the ones before it left. What remains after them is letters,
apostrophes, hyphens and the punctuation that shapes a sentence, so no symbol can surprise the voice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from anyascii import anyascii

from media_plane.speech_models.numerals import cardinal, digits, ordinal, year

_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
_MONTH = r"(January|February|March|April|May|June|July|August|September|October|November|December|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)\.?"  # noqa: E501
_DAYS = {"mon": "Monday", "tue": "Tuesday", "tues": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "thur": "Thursday",
         "thurs": "Thursday", "fri": "Friday", "sat": "Saturday", "sun": "Sunday"}  # fmt: skip
_CURRENCIES = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny")}
_ABBREVIATIONS = {
    "dr": "doctor", "mr": "mister", "mrs": "missus", "ms": "miz", "jr": "junior", "sr": "senior", "prof": "professor",
    "ave": "avenue", "blvd": "boulevard", "rd": "road", "apt": "apartment", "ste": "suite", "hwy": "highway", "appt": "appointment",
    "dept": "department", "approx": "approximately", "min": "minutes", "mins": "minutes", "hr": "hour", "hrs": "hours",
    "vs": "versus", "etc": "et cetera", "tel": "telephone", "ext": "extension",
}  # fmt: skip
_SYMBOLS = {"&": " and ", "+": " plus ", "=": " equals ", "@": " at ", "%": " percent ", "#": " number ", "°": " degrees ",
            "/": " slash ", "_": " ", "~": " about ", "<": " less than ", ">": " more than "}  # fmt: skip
_SAID_AS_WORDS = frozenset(
    [
        "A",
        "I",
        "OK",
        "NASA",
        "COVID",
        "ASAP",
        "PIN",
        "PIP",
        "VIP",
        "AND",
        "OR",
        "NOT",
        "YES",
        "NO",
        "THE",
        "FOR",
        "YOU",
        "ARE",
        "IS",
        "IT",
        "AT",
        "ON",
        "IN",
        "TO",
        "OF",
        "OUR",
        "WE",
        "MY",
        "ALL",
        "NEW",
        "NOW",
        "OPEN",
        "SALE",
        "FREE",
        "PLEASE",
        "NOTE",
        "HELLO",
        "CALL",
        "STOP",
    ]
)
_SPELLED = {"VIP", "ATM", "FAQ", "GPS", "USB", "SMS", "USA", "UK", "US", "EU", "PM", "AM", "TV", "ID"}
_UNITS = {"km": "kilometers", "kg": "kilograms", "cm": "centimeters", "mm": "millimeters", "lb": "pounds", "lbs": "pounds", "oz": "ounces",
          "mi": "miles", "ft": "feet", "sq": "square", "mph": "miles per hour"}  # fmt: skip
_KEPT = re.compile(r"[^A-Za-z'\-.,;:!?\s]+")
_TIME = r"(\d{1,2})(?::(\d{2}))?\s*([AaPp])\.?\s?[Mm]\b\.?"

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def spoken(text: str) -> str:
    """``text`` as words to be read aloud; empty where nothing can be said. Never raises, and doing it twice changes nothing."""
    out = _to_ascii(_without_markup(text))
    for pattern, rewrite in _RULES:
        out = pattern.sub(rewrite, out)
    for symbol, words in _SYMBOLS.items():
        out = out.replace(symbol, words)
    out = _tidy(_KEPT.sub(" ", out))
    return out if re.search(r"[A-Za-z]", out) else ""


# --- markup and letters ------------------------------------------------------------------------------------------------------


def _without_markup(text: str) -> str:
    out = re.sub(r"```.*?```", " ", text, flags=re.S)
    out = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", out)
    out = re.sub(r"^\s*(?:#{1,6}|[-*•]|\d{1,2}[.)])\s+", "", out, flags=re.M)
    out = re.sub(r"<[a-zA-Z/][^>]{0,80}>", " ", out)
    out = re.sub(r"\*{1,3}|`+|~~|__+", "", out)
    out = re.sub(r"(?<=\w)[ \t]*\n+", ". ", out)
    return re.sub(r"[()\[\]{}|\"“”]+", ", ", out)


_DASHES = str.maketrans({"–": "-", "—": ", ", "−": "-", "…": "...", "’": "'", "‘": "'", "€": "€", "£": "£", "°": "°", "½": " and a half"})


def _to_ascii(text: str) -> str:
    """Other letters by their nearest English spelling; emoji and pictures go."""
    out = text.translate(_DASHES)
    return "".join(char if char.isascii() or char in "€£°" else _spelled_letter(char) for char in out)


def _spelled_letter(char: str) -> str:
    if char.isspace():
        return " "
    return anyascii(char) if char.isalpha() else " "


# --- rules -------------------------------------------------------------------------------------------------------------------


def _clock(hour: int, minute: int, half: str) -> str:
    if minute == 0:
        middle = "" if half else " o'clock" if 0 < hour <= 12 else " hundred"
    else:
        middle = f" oh {cardinal(minute)}" if minute < 10 else f" {cardinal(minute)}"
    return cardinal(hour) + middle + (f" {half.upper()} M" if half else "")


def _time_of_half_day(match: re.Match[str]) -> str:
    stop = "." if match.group(0).endswith(".") and _at_end(match) else ""
    return _clock(int(match[1]), int(match[2] or 0), match[3]) + stop


def _at_end(match: re.Match[str]) -> bool:
    rest = match.string[match.end() :].lstrip()
    return not rest or rest[0].isupper()


def _time_of_day(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    return _clock(hour, minute, "") if hour < 24 and minute < 60 else f"{cardinal(hour)} {cardinal(minute)}"


def _iso_date(match: re.Match[str]) -> str:
    try:
        day = date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return digits(match[0])
    return f"{_MONTHS[day.month - 1]} {ordinal(day.day)}, {year(day.year)}"


def _us_date(match: re.Match[str]) -> str:
    month, day = int(match[1]), int(match[2])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return f"{cardinal(month)} slash {cardinal(day)}" + (f" slash {cardinal(int(match[3]))}" if match[3] else "")
    tail = f", {year(int(match[3]) + (2000 if len(match[3]) == 2 else 0))}" if match[3] else ""
    return f"{_MONTHS[month - 1]} {ordinal(day)}{tail}"


def _full_month(name: str) -> str:
    return next(month for month in _MONTHS if month.lower().startswith(name.lower()[:3]))


def _month_day(match: re.Match[str]) -> str:
    tail = f", {year(int(match[3]))}" if match[3] else ""
    return f"{_full_month(match[1])} {ordinal(int(match[2]))}{tail}"


def _day_month(match: re.Match[str]) -> str:
    return f"{ordinal(int(match[1]))} of {_full_month(match[2])}"


def _whole(text: str) -> int:
    return int(text.replace(",", ""))


def _count(number: int, unit: str) -> str:
    plural = "pence" if unit == "penny" else unit + "s"
    return f"{cardinal(number)} {unit if number == 1 else plural}"


def _money(match: re.Match[str]) -> str:
    unit, part = _CURRENCIES[match[1]]
    whole, cents = _whole(match[2]), int((match[3] or "0").ljust(2, "0"))
    if match[4]:
        return f"{cardinal(whole)} {_decimals(match[3])}{match[4]} {unit}s"
    if not cents:
        return _count(whole, unit)
    return _count(cents, part) if not whole else f"{_count(whole, unit)} and {_count(cents, part)}"


def _decimals(fraction: str | None) -> str:
    return f"point {digits(fraction)} " if fraction else ""


def _phone(match: re.Match[str]) -> str:
    groups = [group for group in re.split(r"[^\d]+", match[0]) if group]
    if len(groups) == 1 and len(groups[0]) > 7:
        text = groups[0]
        groups = [text[:-7], text[-7:-4], text[-4:]]
    said = ", ".join(digits(group) for group in groups if group)
    return f" plus {said}" if match[0].lstrip().startswith("+") else f" {said}"


def _range(match: re.Match[str]) -> str:
    return f"{match[1]} to {match[2]}"


def _percent(match: re.Match[str]) -> str:
    return _number_words(match[1]) + " percent"


def _number_words(text: str) -> str:
    whole, _, fraction = text.replace(",", "").partition(".")
    return cardinal(int(whole or "0")) + (f" point {digits(fraction)}" if fraction else "")


def _number(match: re.Match[str]) -> str:
    text = match[0]
    if "," not in text and "." not in text and (len(text) > 4 or (len(text) > 1 and text[0] == "0")):
        return digits(text)
    if re.fullmatch(r"(19|20)\d\d", text):
        return year(int(text))
    return _number_words(text)


def _code(match: re.Match[str]) -> str:
    """Letters and digits in one word (an order number): letter by letter, digit by digit."""
    pieces = re.findall(r"[A-Za-z]|\d", match[0])
    return ", ".join(digits(piece) if piece.isdigit() else piece.upper() for piece in pieces)


def _email(match: re.Match[str]) -> str:
    return " " + re.sub(r"[^a-zA-Z0-9 ]+", " ", match[0].replace("@", " at ").replace(".", " dot ").replace("-", " dash ")) + " "


def _address(match: re.Match[str]) -> str:
    site = re.sub(r"^(https?://)?(www\.)?", "", match[0]).rstrip("/")
    return site.replace(".", " dot ").replace("/", " slash ").replace("-", " dash ")


def _abbreviation(match: re.Match[str]) -> str:
    word = _ABBREVIATIONS[match[1].lower()]
    return word.capitalize() if match[1][0].isupper() else word


def _day_name(match: re.Match[str]) -> str:
    return _DAYS[match[1].lower()]


def _acronym(match: re.Match[str]) -> str:
    word = match[0]
    if word in _SPELLED or (word not in _SAID_AS_WORDS and (len(word) <= 3 or not re.search(r"[AEIOUY]", word))):
        return " ".join(word)
    return word if len(word) == 1 else word.capitalize() if word != "OK" else "okay"


def _rule(pattern: str, rewrite: Callable[[re.Match[str]], str], flags: re.RegexFlag = re.NOFLAG) -> Rule:
    return re.compile(pattern, flags), rewrite


_I = re.IGNORECASE
_RULES: tuple[Rule, ...] = (
    _rule(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _email),
    _rule(r"\b(?:https?://|www\.)[\w.-]+(?:/[\w./-]*)?|\b[\w-]+\.(?:com|org|net|io|example)\b(?:/[\w/-]*)?", _address, _I),
    _rule(r"\b(\d{4})-(\d{2})-(\d{2})\b", _iso_date),
    _rule(r"\b(\d{1,2})/(\d{1,2})(?:/(\d{4}|\d{2}))?\b", _us_date),
    _rule(rf"\b{_MONTH}\s+(\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(\d{{4}}))?\b(?!:)", _month_day),
    _rule(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?![a-z])", _day_month),
    _rule(r"(?<![\w.])\+?\d{0,3}[\s.-]?\(?\d{3}\)?[\s.,-]+\d{3}[\s.-]+\d{4}\b", _phone),
    _rule(r"(?<![\w.])(?:\+\d{8,15}|\d{10,11}|\d{3}-\d{4})\b", _phone),
    _rule(r"(\d\s*(?:[AaPp]\.?[Mm]\.?)?)\s*-\s*((?:[$€£])?\d)", _range),
    _rule(r"\b(mon|tues?|wed|thu(?:rs?)?|fri|sat|sun)\.?\s*-\s*(?=(?:mon|tue|wed|thu|fri|sat|sun))", lambda m: _day_name(m) + " to ", _I),
    _rule(r"\b(Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\b\.?(?=[\s,;:!?.]|$)", _day_name),
    _rule(_TIME, _time_of_half_day),
    _rule(r"\b(\d{1,2}):(\d{2})\b(?::\d{2})?", _time_of_day),
    _rule(r"([$€£])\s?(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d{1,2}))?\b(\s(?:thousand|million|billion))?", _money),
    _rule(r"(\d[\d,]*(?:\.\d+)?)\s?%", _percent),
    _rule(r"\b(\d+)(?:st|nd|rd|th)\b", lambda m: ordinal(int(m[1])) if len(m[1]) < 7 else digits(m[1])),
    _rule(r"#\s?(?=\w)", lambda _: "number "),
    _rule(r"(?<=\d)\s?(km|kg|cm|mm|lbs?|oz|mi|ft|mph)\b\.?", lambda m: " " + _UNITS[m[1]]),
    _rule(r"(?<=\d)\s?(mins?|hrs?)\b", lambda m: " " + _ABBREVIATIONS[m[1]]),
    _rule(r"\bSt\.\s+(?=[A-Z])", lambda _: "Saint "),
    _rule(r"\b[Ss]t\.", lambda m: "Street" + ("." if _at_end(m) else "")),
    _rule(r"\be\.g\.,?", lambda _: "for example,"),
    _rule(r"\bi\.e\.,?", lambda _: "that is,"),
    _rule(r"\bw/o\b", lambda _: "without"),
    _rule(r"\bw/\s?", lambda _: "with "),
    _rule(r"\b[Nn]o\.\s?(?=\d)", lambda _: "number "),
    _rule(rf"\b({'|'.join(word for word in _ABBREVIATIONS if word not in ('min', 'ms', 'ste'))})\.", _abbreviation, _I),
    _rule(r"\bMs\.", lambda _: "Miz"),
    _rule(r"\b(?=[A-Za-z-]*\d)(?=[\d-]*[A-Za-z])[A-Za-z\d]+(?:-[A-Za-z\d]+)*\b", _code),
    _rule(r"(?<![\w.])-(?=\d)", lambda _: "minus "),
    _rule(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+|\d+", _number),
    _rule(r"\b(?:[A-Z]\.){2,}", lambda m: " ".join(m[0].replace(".", ""))),
    _rule(r"\b[A-Z]{2,}\b(?!')", _acronym),
)


def _tidy(text: str) -> str:
    """One space between words, one mark after a word, none before the first."""
    out = re.sub(r"\s+", " ", text)
    out = re.sub(r"(?<![A-Za-z])['-]+|['-]+(?![A-Za-z])", " ", out)
    out = re.sub(r"\s+([.,;:!?])", r"\1", out)
    out = re.sub(r"[.,;:!?]*([.!?])[.,;:!?]*", r"\1", out)
    out = re.sub(r"([,;:])[,;:]+", r"\1", out)
    out = re.sub(r"([.,;:!?])(?=[A-Za-z])", r"\1 ", out)
    return re.sub(r"\s+", " ", re.sub(r"^[\s.,;:!?]+", "", out)).strip()
