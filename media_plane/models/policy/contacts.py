"""Phone numbers, e-mail addresses and people's names in recognised speech."""

from __future__ import annotations

import re

import phonenumbers

from media_plane.models.policy.moments import Found
from media_plane.models.policy.words import normalise, without_fillers

_PHONE = re.compile(r"(?<![\d:.$/])\+?\s?\(?\d(?:(?:\s?[-.,()/]\s?|\s)?\d){5,14}(?![\d:])")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_SPOKEN_EMAIL = re.compile(r"\b([\w.+-]+)\s+at\s+([\w-]+(?:\s+dot\s+[\w-]+)+)\b")
_STRONG = re.compile(
    r"\b(?:my name(?:'s| is| would be)|the name(?:'s| is)|name(?:'s| is)"
    r"|under the name(?: of)?|call me|first name is|full name is|name,)\s+(.+)",
    re.IGNORECASE,
)
_WEAK = re.compile(r"\b(?i:i'm|i am|this is|it's|it is|that's|for|under)\s+((?:[A-Z][\w'-]+\.?\s?){1,3})")
_LEAD_IN = re.compile(
    r"^(?:(?:oh|yes|yeah|sure|okay|ok|of course|right|hi|hello|no|so|and"
    r"|well|it's|it is|it'll be|that's|that is|that would be|i'm|i am|this is"
    r"|my name is|the name is|name is|my name's|for|under|call me|the|just)\b[,.:]?\s*)+",
    re.IGNORECASE,
)
_NOT_NAMES = frozenset(
    [
        "and",
        "delivery",
        "delivered",
        "pickup",
        "takeaway",
        "collection",
        "at",
        "on",
        "my",
        "for",
        "the",
        "a",
        "an",
        "in",
        "is",
        "i",
        "i'd",
        "i'm",
        "it's",
        "please",
        "tomorrow",
        "today",
        "tonight",
        "phone",
        "number",
        "with",
        "from",
        "to",
        "you",
        "can",
        "could",
        "would",
        "like",
        "want",
        "need",
        "book",
        "looking",
        "calling",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "yes",
        "no",
        "okay",
        "sure",
        "sorry",
        "not",
        "just",
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
        "haircut",
        "appointment",
        "table",
        "reservation",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "thanks",
        "thank",
        "that",
        "it",
        "what",
        "when",
        "how",
        "where",
        "do",
        "does",
        "have",
        "me",
        "of",
        "so",
        "but",
        "or",
        "if",
        "trying",
        "interested",
        "hoping",
        "going",
        "here",
        "great",
        "good",
        "fine",
        "perfect",
        "about",
        "wait",
        "then",
        "also",
        "actually",
        "now",
        "later",
        "back",
        "again",
        "any",
        "all",
        "same",
        "yeah",
        "yep",
        "nope",
        "never",
        "noon",
        "midday",
        "yesterday",
        "another",
        "both",
        "anything",
        "something",
        "nothing",
        "everything",
        "correct",
        "right",
        "instead",
        "hmm",
        "um",
        "uh",
    ]
)
_NAME_WORD = re.compile(r"^[^\W\d_][^\W\d_'.-]*(?:['.-][^\W\d_]+)*\.?$")
_SPELLED = re.compile(r"^(?:[A-Za-z][-. ]+){2,}[A-Za-z]\.?$")


def region_of(language: str) -> str:
    """The region of a language tag, for numbers without a country code: ``en-GB`` gives ``GB``."""
    region = language.replace("_", "-").split("-")[-1].upper()
    return region if len(region) == 2 and region.isalpha() and "-" in language.replace("_", "-") else "US"


def find_phone(text: str, region: str) -> Found | None:
    """The first phone number in a normalised text: E.164 where that can be told, else its digits."""
    for match in _PHONE.finditer(text):
        if number := phone_value(match.group(), region):
            return Found(number, match.start(), match.end())
    return None


def phone_value(raw: str, region: str) -> str:
    """One phone number in E.164, or its digits when it is only a local one; empty when it can be none."""
    digits = re.sub(r"\D", "", raw)
    if not 7 <= len(digits) <= 15:
        return ""
    try:
        number = phonenumbers.parse(("+" if "+" in raw else "") + digits, region)
    except phonenumbers.NumberParseException:
        return ""
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason == phonenumbers.ValidationResult.IS_POSSIBLE:
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return digits if reason == phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY else ""


def find_email(text: str) -> Found | None:
    """The first e-mail address, written or spoken ("dana at example dot com")."""
    if match := _EMAIL.search(text):
        return Found(match.group().rstrip(".").lower(), match.start(), match.end())
    if match := _SPOKEN_EMAIL.search(text.lower()):
        domain = re.sub(r"\s+dot\s+", ".", match[2])
        return Found(f"{match[1]}@{domain}", match.start(), match.end())
    return None


def find_name(text: str) -> str:
    """The name a caller gives unasked ("my name is Dana Smith", "it's Dana"); empty when there is none."""
    if match := _STRONG.search(text):
        return _name_at(match[1])
    for match in _WEAK.finditer(text):
        if name := _name_at(match[1]):
            return name
    return ""


def bare_name(text: str) -> str:
    """The name in an answer to the question for it; empty when it does not look like one."""
    if given := find_name(text):
        return given
    if "?" in text:
        return ""
    text = _LEAD_IN.sub("", without_fillers(text)).strip(" ,.!?")
    if _SPELLED.match(text):
        return "".join(re.findall("[A-Za-z]", text)).capitalize()
    words = re.split(r"[\s,]+", text)
    if len(words) > 5 and not any(word[:1].isupper() for word in words):
        return ""
    return _name_at(text)


def _name_at(text: str) -> str:
    """The name that a text begins with: up to four name-like words."""
    words: list[str] = []
    for word in text.split():
        bare = word.strip(',.!?;:"')
        if bare.lower() in _NOT_NAMES or not _NAME_WORD.match(bare) or normalise(bare).isdigit() or len(words) == 4:
            break
        words.append(bare)
        if word[-1] in ",.!?;:" and len(bare) > 1:
            break
    name = " ".join(words)
    return name.title() if name.islower() else name
