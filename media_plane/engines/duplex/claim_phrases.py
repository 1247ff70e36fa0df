"""Finds in spoken words the phrases that claim an effect: "you're booked for three", "I've cancelled that", "done!".

The words may be unpunctuated and may still grow: a phrase counts once the word after it can no longer turn it into a condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["create", "cancel", "change", "send", "note", "done"]

_VERBS: tuple[tuple[str, tuple[Kind, ...]], ...] = (
    (
        r"booked|scheduled|reserved|registered|enroll?ed|secured|locked|arranged|pencill?ed|slotted|squeezed|ordered|signed|confirmed|placed"
        r"|submitted|entered",
        ("create",),
    ),
    (r"cancell?ed|called off|deleted|removed|taken (?:you|it|that|him|her|them|your name) off|took (?:you|it|that|them) off", ("cancel",)),
    (
        r"rescheduled|moved|changed|switched|shifted|updated|postponed|swapped|pushed|adjusted|corrected|bumped|brought|amended|extended",
        ("change",),
    ),
    (r"sent|texted|e-?mailed|messaged|forwarded|passed", ("send", "note")),
    (
        r"noted|logged|recorded|flagged|jotted|wrote|written|marked|told|let|taken (?:that|it|your \w+|a message)|took (?:that|it) down",
        ("note",),
    ),
    (r"put|added|made|set|got", ("create", "change", "note")),
    (r"taken care of|took care of|sorted|handled|dealt with|processed|finali[sz]ed|completed|finished|done|refunded", ("done",)),
)
_FREE_VERB = (
    r"booked|scheduled|reserved|registered|enroll?ed|secured|ordered|cancell?ed|deleted|rescheduled|postponed|texted|e-?mailed|noted"
    r"|confirmed|processed|taken care of|took care of"
)
_BOUND_VERB = (
    r"locked|arranged|pencill?ed|slotted|squeezed|signed|placed|submitted|entered|called off|removed|moved|changed|switched|shifted"
    r"|updated|swapped|pushed|adjusted|corrected|bumped|brought|amended|extended|sent|messaged|forwarded|passed|logged|recorded|flagged"
    r"|jotted|wrote|written|marked|added|sorted|handled|dealt with|finali[sz]ed|completed|finished|refunded|done"
)
_ADVERBS = r"(?: (?:now|just|also|all|both|successfully|officially|finally|actually|then|safely|definitely|got|already|gone and))*"
_AHEAD = r"(?: (?:gone|went) ahead and)?"
_DAY = r"(?:(?:next|this) )?(?:mon|tues|wednes|thurs|fri|satur|sun)day|tomorrow|tonight|today"
_HOUR = r"\d+(?::\d\d)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|noon|half past|(?:a )?quarter (?:past|to)"
_OBJECT = (
    r"(?:it|that|this|those|these|them|you|your|the|an?|him|her|everything|both|all|one|two|three|four|five|six|some|in|down|off|along"
    r"|for you)\b"
)
_THING = (
    r"(?:appointments?|bookings?|reservations?|orders?|messages?|notes?|requests?|changes?|texts?|e-?mails?|confirmations?|refunds?"
    r"|payments?|details|pizzas?|delivery|cleaning|class|one|visit|lesson|session|call ?back|registration)"
)
_OWNED = rf"(?:{_THING}|tables?|rooms?|seats?|spots?|slots?|places?|name|number|address|haircut|\w+)"
_STANDING = (
    r"booked|scheduled|reserved|registered|enroll?ed|confirmed|cancell?ed|rescheduled|postponed|noted|sorted|secured|locked in|arranged"
    r"|taken care of|all set|set|ordered|signed up|all done|finali[sz]ed|squared away|called off"
)
_CHANGED_STATE = (
    rf"{_STANDING}|moved|changed|switched|updated|sent|e-?mailed|texted|forwarded|passed (?:on|along)|placed|made|added|removed|deleted"
    r"|recorded|logged|put (?:in|through|down)|pushed|shifted|processed|completed|submitted|entered|done|refunded|handled|dealt with"
    r"|set up|sent (?:out|off|over)|written down|swapped|extended|corrected"
)
_BOOK = r"(?:in|on|into) (?:the|our|my) (?:books?|calendar|schedule|system|list|diary|roster|waiting ?list)"
_ASSURED = r"all set|all sorted|all done|all booked|good to go|squared away|all confirmed"
_INTERJECTION = (
    r"(?:okay|ok|alright|all right|right|great|perfect|good|yes|yep|yeah|sure|sure thing|so|and|well|there we go|there you go|there|lovely"
    r"|excellent|awesome|wonderful|thanks|no problem|mm|aha|now|then|got it|of course|fantastic|cool|fine|brilliant|absolutely)"
)
_OPENING = rf"(?:^|[,;:] )(?:{_INTERJECTION}[ ])*"


@dataclass(frozen=True, slots=True)
class _Shape:
    """One way of claiming. ``bare``: the phrase alone is a whole sentence, so that only its end, or a word that goes with it, decides."""

    pattern: re.Pattern[str]
    kinds: tuple[Kind, ...] = ()
    acts: bool = False
    bare: bool = False


def _shape(pattern: str, *kinds: Kind, acts: bool = False, bare: bool = False) -> _Shape:
    spaced = pattern.replace("[ ]", r"[\s,]+").replace(" ", r"\s+")
    return _Shape(re.compile(spaced, re.IGNORECASE), kinds, acts, bare)


_I_HAVE = r"\b(?:I|we)(?:'ve| have)?"
_SHAPES = (
    _shape(
        rf"(?P<claim>{_I_HAVE}{_ADVERBS}{_AHEAD}{_ADVERBS} (?P<verb>{_FREE_VERB})\b(?! (?:there|here|my|our|mine|a lot|many|up|solid)\b))",
        acts=True,
    ),
    _shape(rf"(?P<claim>{_I_HAVE}{_ADVERBS}{_AHEAD}{_ADVERBS} (?P<verb>{_BOUND_VERB}) {_OBJECT})", acts=True),
    _shape(
        rf"(?P<claim>{_I_HAVE}{_ADVERBS}{_AHEAD} put (?:you|it|that|this|him|her|them|everything|your (?:\w+ ){{1,2}}|the (?:\w+ ){{1,2}}|a note|in|through)"
        rf" ?(?:down|in|on (?:the|our)|for|into|under|through(?! to)|a note|your|the|that)\b)",
        "create",
        "note",
        "change",
        acts=True,
    ),  # fmt: skip
    _shape(
        rf"(?P<claim>{_I_HAVE}{_ADVERBS}{_AHEAD}{_ADVERBS} set (?:you|it|that|this|your \w+|everything) (?:up|for|to|down)\b)",
        "create",
        "change",
        acts=True,
    ),
    _shape(
        rf"(?P<claim>{_I_HAVE}{_ADVERBS}{_AHEAD}{_ADVERBS} made (?:you )?(?:an?|the|that|those|your|this) (?:\w+ ){{0,2}}{_THING}\b)",
        "create",
        "note",
        "change",
        acts=True,
    ),  # fmt: skip
    _shape(rf"(?P<claim>{_I_HAVE}{_ADVERBS} let (?!you)(?:\w+ ){{1,3}}know\b)", "note", "send", acts=True),
    _shape(rf"(?P<claim>{_I_HAVE}{_ADVERBS} (?:told|informed|notified) (?!you\b|me\b)\w+)", "note", "send", acts=True),
    _shape(
        rf"(?P<claim>{_I_HAVE}{_ADVERBS} (?:taken|took) (?:(?:you|it|that|him|her|them|your name|your \w+) off|(?:it|that|your message) down))",
        "cancel",
        "note",
        "change",
        acts=True,
    ),  # fmt: skip
    _shape(
        rf"(?P<claim>\b(?:I|we)(?:'ve got| have got|'ve| have| got) (?:you|that|it|him|her|them|everything|your (?:\w+ ){{0,2}}\w+|the \w+|both of you)"
        rf"{_ADVERBS} (?P<verb>{_STANDING}|down (?:for|on|at|as)|booked in|in (?:for|at)|{_BOOK}|for (?:{_DAY}|{_HOUR})))",
        "create",
        "change",
        acts=True,
    ),  # fmt: skip
    _shape(
        rf"(?P<claim>\byou(?:'re| are|'ve been| have been){_ADVERBS} (?P<verb>{_CHANGED_STATE}|down (?:for|on|at|with)|in (?:for|at)|{_BOOK}|{_ASSURED}"
        rf"|confirmed))(?! (?:up|solid|out)\b)"
    ),
    _shape(
        rf"(?P<claim>\byou(?:'ve got| have|'ve| have got| got) (?:an?|your) (?:\w+ ){{0,2}}(?:appointment|booking|reservation|table|slot|spot|room|seat)"
        rf" (?:\w+ ){{0,3}}(?:for|at|on|under|{_DAY})\b)",
        "create",
        "change",
    ),  # fmt: skip
    _shape(
        rf"(?P<claim>\byour (?:{_OWNED} )(?:\w+ ){{0,5}}?(?:is|are|has been|have been|was just|were just){_ADVERBS} (?P<verb>{_CHANGED_STATE}|{_BOOK}|in|through))\b"
        rf"(?! (?:up|solid|out|by|every|luck|the)\b)"
    ),
    _shape(
        rf"(?P<claim>\byour (?:\w+){{1}}(?: \w+){{0,3}}?'s(?: been)?{_ADVERBS} (?P<verb>{_CHANGED_STATE}|{_BOOK}|in|through))\b(?! (?:up|solid|out|by|every|the)\b)"
    ),
    _shape(
        rf"(?P<claim>\b(?:the|that|this|both|all) (?:\w+ ){{0,2}}{_THING}(?: \w+){{0,4}}?(?: is| are| has been| have been|'s been|'s)"
        rf"{_ADVERBS} (?P<verb>{_CHANGED_STATE}|{_BOOK}))\b(?! (?:up|solid|out|by|every)\b)"
    ),
    _shape(rf"(?P<claim>\byour (?:\w+ ){{1,3}}?(?:has |have )?(?:gone|went) through)\b", "create", "change", "send", "done"),
    _shape(
        rf"(?P<claim>\b(?:it|that|this|everything|all of (?:it|that))(?:'s|'s been| is| has been| are| have been|'s now been| has now been)"
        rf"{_ADVERBS} (?P<verb>{_CHANGED_STATE}|been (?:{_CHANGED_STATE})|{_BOOK}|in your name))\b(?! (?:up|solid|out|by|every|in about|with)\b)"
    ),
    _shape(rf"(?P<claim>\bwe(?:'re| are) (?:{_ASSURED}))\b", "done"),
    _shape(rf"(?P<claim>\bthat(?:'s| is) you(?: \w+){{0,2}}? (?P<verb>{_STANDING}|done|in|down)(?! to\b))\b"),
    _shape(r"(?P<claim>\bconsider (?:it|that|yourself) (?P<verb>done|booked|cancell?ed|sorted|handled|taken care of))\b"),
    _shape(
        rf"{_OPENING}(?P<claim>(?:just |now )?(?P<verb>booked|cancell?ed|confirmed|scheduled|reserved|ordered|rescheduled|sent|moved|all set|all done"
        rf"|all sorted|all booked|done|sorted|taken care of|good to go|texted|e-?mailed))(?=\s*[.!,]|\s*$|\s+(?:for|at|in|on|you|it|that|your|and|under)\b)",
        bare=True,
    ),
    _shape(
        rf"{_OPENING}(?:(?:we|I)(?:'ll| will) )?(?P<claim>(?:see|expect) you (?:then|(?:on )?(?:{_DAY})|at (?:{_HOUR})))\b",
        "create",
        "change",
    ),
    _shape(rf"(?P<claim>\blook(?:ing)? forward to seeing you (?:then|(?:on )?(?:{_DAY})|at (?:{_HOUR})))\b", "create", "change"),
)
_BEFORE = re.compile(
    r"\b(?:if|once|when|whenever|after|before|until|till|unless|as soon as|whether|would|could|should|shall|might|may|not|never|nothing"
    r"|\w+n't|cannot|usually|always|normally|typically|often|generally|most|let me|want|wants|need|needs|to see|make sure|think|wish|hope"
    r"|hoping|say|says|said|he|she|they|who|what|where|how|why|want to|imagine|suppose|assuming|provided|used to|pretend|like)\b",
    re.IGNORECASE,
)
_INVERTED = re.compile(
    r"\b(?:do|does|did|have|has|had|shall|should|can|could|will|would|may|might|must|is|are|was|were)\s+$", re.IGNORECASE
)
_RESTART = re.compile(r"\b(?:okay|ok|alright|all right|great|perfect|anyway|there we go|there you go)\b|;", re.IGNORECASE)
_AFTER_NO = re.compile(
    r"[\s,]*(?:if|once|when|whenever|as (?:soon|long)|after|before|until|till|unless|last (?:week|month|year|time)|yesterday|online|by (?:mail|e-?mail|"
    r"phone|post|text)|usually|provided|assuming)\b",
    re.IGNORECASE,
)
_FILLER = re.compile(r",?\s\b(?:um+|uh+|erm?|hmm+|mm+|you know|i mean)\b,?", re.IGNORECASE)
_SENTENCE = re.compile(r"[.!?…]+(?=\s|$)|\n+")
_COMPLETE_WORD = re.compile(r"[\s,]+[\w'-]+[^\w'-]|\s*[.!,;:?…]")


@dataclass(frozen=True, slots=True)
class Phrase:
    """A claim in a text: where it stands, where its sentence ends so far, and which kinds of effect it may be about, the likeliest first."""

    start: int
    end: int
    sentence_end: int
    kinds: tuple[Kind, ...]


def find_phrases(text: str, *, final: bool = False) -> Iterator[Phrase]:
    """The claims in ``text``, each as soon as the words after it leave no doubt. ``final``: no more words will come."""
    plain = plain_of(text)
    for start, end, ended in _sentences(plain, final=final):
        sentence = plain[start:end]
        for shape in _SHAPES:
            for found in shape.pattern.finditer(sentence):
                if _certain(sentence, found, shape, ended=ended):
                    kinds = shape.kinds or _kinds_of(found.group("verb"))
                    yield Phrase(start + found.start("claim"), start + found.end(), end, kinds)


def plain_of(text: str) -> str:
    """The text with straight quotes and blanked fillers; every character keeps its place."""
    straight = text.replace("’", "'").replace("‘", "'").replace("—", ",").replace("–", ",")
    return _FILLER.sub(lambda match: " " * len(match[0]), straight)


def _sentences(plain: str, *, final: bool) -> Iterator[tuple[int, int, bool]]:
    """The sentences with their marks; the last one may not have ended yet."""
    start = 0
    for mark in _SENTENCE.finditer(plain):
        yield start, mark.end(), True
        start = mark.end()
    if plain[start:].strip():
        yield start, len(plain), final


def _certain(sentence: str, found: re.Match[str], shape: _Shape, *, ended: bool) -> bool:
    before, after = sentence[: found.start("claim")], sentence[found.end() :]
    if restarts := list(_RESTART.finditer(before)):
        before = before[restarts[-1].end() :]
    if _BEFORE.search(before) or _INVERTED.search(before) or _AFTER_NO.match(after):
        return False
    if sentence.rstrip().endswith("?") and not shape.acts:
        return False
    return ended or _COMPLETE_WORD.match(after) is not None


def _kinds_of(verb: str) -> tuple[Kind, ...]:
    words = verb.lower()
    return next((kinds for pattern, kinds in _VERBS if re.search(rf"\b(?:{pattern})\b", words)), ("done",))
