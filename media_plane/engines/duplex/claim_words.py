"""The words of which claims are made, and templates over them."""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["create", "cancel", "change", "send", "note", "done"]

VERB_KINDS: tuple[tuple[str, tuple[Kind, ...]], ...] = (
    ("taken care of|took care of|sorted|handled|dealt with|processed|finali[sz]ed|completed?|finished|done|refunded|squared", ("done",)),
    ("set|good to go|successful|success|through|way|coming|initiated|transferred", ("done",)),
    ("cancell?ed|called off|deleted|removed|off", ("cancel",)),
    ("rescheduled|moved|changed|switched|shifted|updated|postponed|swapped|pushed|adjusted|corrected|bumped|brought|amended", ("change",)),
    ("extended|added", ("change", "create", "note")),
    ("sent|texted|e-?mailed|messaged", ("send",)),
    ("forwarded|passed", ("send", "note")),
    ("noted|logged|recorded|flagged|jotted|wrote|written|marked|saved|note", ("note", "create", "change")),
)
"""Kinds by the verb of a phrase, the likeliest first. A verb that is not here creates, or changes so that what is said now stands."""

_ADVERB = "now|just|also|all|both|successfully|officially|finally|actually|then|safely|definitely"
_HELD = (
    r"booked|scheduled|reserved|registered|enroll?ed|confirmed|secured|ordered|noted|sorted|cancell?ed|rescheduled|postponed|taken care of"
)
_VOCABULARY: dict[str, str] = {
    "I have": r"\b(?:I|we)(?:'ve| have)?",
    "adverbs": rf"(?: (?:{_ADVERB}|already|(?:gone|went) ahead and))*",
    "state adverbs": rf"(?: (?:{_ADVERB}))*",
    "some words": r"(?: [\w'-]+(?:[.:]\w+)*){0,4}?",
    "any word": r"(?:\w+[.:])?\w+",
    "a word or two": r"(?: \w+){0,2}?",
    "day": r"(?:(?:next|this) )?(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|week)|tomorrow|tonight|today",
    "hour": r"\d+(?::\d\d)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|noon|half past|(?:a )?quarter (?:past|to)",
    "object": r"(?:it|that|this|those|these|them|you|your|the|an?|him|her|everything|both|all|one|two|three|four|five|six|some|for you)\b",
    "whom or what": r"(?:you|it|that|this|him|her|them|everything|both of you|your \w+(?: \w+)?|the \w+(?: \w+)?)",
    "matter": (
        r"(?:appointments?|bookings?|reservations?|orders?|messages?|notes?|requests?|changes?|texts?|e-?mails?|confirmations?|refunds?"
        r"|payments?|details|pizzas?|delivery|cleaning|class|one|visit|lesson|session|call ?back|registration|link|receipt|invoice"
        r"|rides?|cabs?|taxis?|cars?|drivers?|tickets?|transfers?|rentals?|trips?|subscription|membership|inspection|tour|viewing"
        r"|purchases?|account|upgrade|renewal|film|movie|event)"
    ),
    "place": r"(?:table|room|seat|spot|slot|place)s?",
    "book": (
        r"(?:in|on|into) (?:the|our|my|your) "
        r"(?:books?|calendar|schedule|system|list|diary|roster|waiting ?list|agenda|order|cart|basket)"
    ),
    "plain verb": rf"(?:{_HELD}|deleted|texted|e-?mailed|processed|took care of|purchased|rented)",
    "verb": (
        r"(?:locked|arranged|pencill?ed|slotted|squeezed|signed|placed|submitted|entered|called off|removed|moved|changed|switched|shifted"
        r"|updated|swapped|pushed|adjusted|corrected|bumped|brought|amended|extended|sent|messaged|forwarded|passed(?: on| along)?|logged"
        r"|recorded|flagged|jotted|wrote|written|marked|added|handled|dealt with|finali[sz]ed|completed|finished|refunded|saved"
        r"|bought|requested|applied|activated|renewed|upgraded|issued|transferred|initiated)"
    ),
    "base verb": (
        r"(?:book|schedule|reserve|order|cancel|move|change|reschedule|confirm|place|send|add|secure|update|purchase|buy|arrange|register"
        r"|(?:get|make) (?:you|it|that|the|your|a))"
    ),
    "outcome": r"(?:completed?|successful|a success|through|on (?:its|it's|the|their) way|processed)",
    "standing": rf"(?:{_HELD}|locked in|arranged|all set|set|signed up|all done|finali[sz]ed|squared away|called off|good to go)",
    "brought about": (
        r"(?:<standing>|moved|changed|switched|updated|sent|e-?mailed|texted|forwarded|passed (?:on|along)|placed|made|added|removed"
        r"|deleted|recorded|logged|put (?:in|through|down)|pushed|shifted|processed|completed|submitted|entered|done|refunded|handled"
        r"|dealt with|set up|written down|swapped|extended|corrected|saved|purchased|bought|rented|initiated|transferred"
        r"|requested|activated|renewed|upgraded|issued)"
    ),
    "alone": (
        r"(?:booked|cancell?ed|confirmed|scheduled|reserved|ordered|rescheduled|sent|moved|all set|done|sorted|taken care of|good to go"
        r"|texted|e-?mailed|purchased)"
    ),
    "has been": r"(?:'s| has| have)<state adverbs> been<state adverbs>",
    "arranged": (
        r"(?:booked|scheduled|reserved|purchased|bought|rented|ordered|cancell?ed|sent|placed|confirmed|registered|submitted|processed|initiated"
        r"|rescheduled)"
    ),
    "no habit": (r"(?! (?:up|solid|out|by|within|online|every|in (?:about|around|less|half|\d+|ten|twenty|thirty|forty|an?))\b)"),
    "is now": r"(?:'s| is| are| was| were|(?:'s| has| have)<state adverbs> been)",
    "opening": (
        r"(?:^|[,;:]\s+)(?:(?:okay|ok|alright|all right|right|great|perfect|good|yes|yep|yeah|sure|thing|so|and|well|there (?:we|you) go"
        r"|lovely|excellent|awesome|wonderful|thanks|no problem|now|then|of course|fantastic|cool|fine|brilliant|absolutely)[\s,]+)*"
    ),
}
_PLACEHOLDER = re.compile(r"<([A-Za-z ]+)>")
_MARKS = str.maketrans("{}[]", "\1\2\3\4")
_GROUPS = str.maketrans({"\1": "(?P<claim>", "\2": ")", "\3": "(?P<verb>", "\4": ")"})


def spelled(template: str) -> re.Pattern[str]:
    """The pattern of a template.

    ``<name>`` stands for words of the vocabulary, a blank for any white space, ``{…}`` holds what is claimed, and in it ``[…]`` the verb
    that tells its kind; the rest is a regular expression.
    """
    pattern = template.translate(_MARKS)
    while _PLACEHOLDER.search(pattern):
        pattern = _PLACEHOLDER.sub(lambda found: _VOCABULARY[found[1]], pattern)
    return re.compile(pattern.replace(" ", r"\s+").translate(_GROUPS), re.IGNORECASE)


def kinds_of_verb(verb: str) -> tuple[Kind, ...]:
    """Which kinds of effect a verb may speak of, the likeliest first."""
    return next((kinds for pattern, kinds in VERB_KINDS if re.search(rf"\b(?:{pattern})\b", verb, re.IGNORECASE)), ("create", "change"))
