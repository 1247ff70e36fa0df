"""Finds in spoken words the phrases that claim an effect: "you're booked for three", "I've cancelled that", "done!".

The words may be unpunctuated and may still grow: a phrase counts once the word after it can no longer turn it into a condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from media_plane.engines.duplex.claim_words import Kind, kinds_of_verb, spelled


@dataclass(frozen=True, slots=True)
class Phrase:
    """A claim in a text: where it stands, where its sentence ends so far, and which kinds of effect it may be about, the likeliest first.

    ``ended``: its sentence grows no further.
    """

    start: int
    end: int
    sentence_end: int
    ended: bool
    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class _Shape:
    """One way of claiming. ``kinds``: where the verb does not tell. ``acts``: the speaker's own act, which a question behind it leaves."""

    pattern: re.Pattern[str]
    kinds: tuple[Kind, ...] = ()
    acts: bool = False


def _acts(template: str, *kinds: Kind) -> _Shape:
    return _Shape(spelled(template), kinds, acts=True)


def _state(template: str, *kinds: Kind) -> _Shape:
    return _Shape(spelled(template), kinds)


_SHAPES = (
    # what I or we did
    _acts(r"{<I have><adverbs> [<plain verb>]}\b(?! (?:there|here|my|our|mine|a lot|many|up|solid)\b)"),
    _acts(r"{<I have><adverbs> [<verb>] (?!a lot\b|our\b|my\b)<object>}"),
    _acts(r"{<I have><adverbs> (?:arranged|set up|put in|added in) (?!a lot\b)<object>}", "create", "change"),
    _acts(r"{<I have><adverbs> put (?:a|that|your|the)(?: \w+)? note}", "note"),
    _acts(
        r"{<I have><adverbs> put <whom or what> (?:down|in (?:for|at|with|as)|<book>|for|into|under|through(?! to\b))}",
        "create",
        "change",
        "note",
    ),
    _acts(r"{<I have><adverbs> set <whom or what> (?:up|for|to|down)}\b", "create", "change"),
    _acts(r"{<I have><adverbs> made (?:you )?(?:a |the |that )?[note]}\b"),
    _acts(r"{<I have><adverbs> made (?:you )?(?:an?|the|that|those|your|this)<some words> (?:<matter>)}\b", "create", "change"),
    _acts(r"{<I have><adverbs> let (?!you\b)\w+<some words> know}\b", "note", "send"),
    _acts(r"{<I have><adverbs> (?:told|informed|notified) (?!you\b|me\b)\w+}\b", "note", "send"),
    _acts(r"{<I have><adverbs> (?:taken|took) <whom or what> [off]}\b"),
    _acts(
        r"{<I have><adverbs> (?:taken|took) (?:(?:it|that|this|your \w+)(?: \w+)? down|(?:a|your|the|that) (?:message|order))}\b",
        "note",
        "create",
    ),
    _acts(r"{\b(?:I|we)(?:'ve got| have got|'ve| have| got) <whom or what><adverbs> [<standing>|made]}\b(?! (?:right|correctly|up|to)\b)"),
    _acts(
        r"{\b(?:I|we)(?:'ve got| have got|'ve| have| got) (?:you|that|it|him|her|them|everyone)<adverbs>"
        r" (?:down(?! here)|in (?:for|at|on|with)|<book>|for (?:<day>|<hour>))}\b",
        "create",
        "change",
        "note",
    ),
    _acts(r"{\b(?:I|we) (?:was|were|have been|'ve been)<state adverbs> able to<state adverbs> [<base verb>]}\b"),
    _acts(r"{\b(?:I|we)(?:'ve| have)? managed to<state adverbs> [<base verb>]}\b"),
    # how it now stands with you
    _state(r"{\byou(?:'ve| have)<adverbs> [<plain verb>] <object>}"),
    _state(r"{\b(?:it|that|they) (?:was|were)<state adverbs> [booked|confirmed|cancell?ed|scheduled|reserved|sent|purchased]}\b<no habit>"),
    _state(r"{\bthey(?:'ve| have)<state adverbs> been<state adverbs> [<brought about>]}\b<no habit>"),
    _state(r"{\byou(?:'ve| have)?<adverbs> successfully [<brought about>]}\b"),
    _state(r"{\byou(?:'re| are|'ve been| have been)<state adverbs> [<brought about>]}\b<no habit>"),
    _state(
        r"{\byou(?:'re| are)<state adverbs> (?:down (?:for|on|at|with|as)|in (?:for|at) (?:<hour>|<day>|the)|<book>)}\b", "create", "change"
    ),
    _state(
        r"{\byou(?:'ve got| have|'ve| have got| got) (?:an?|your)(?! (?:empty|free|open|available))<some words>"
        r" (?:appointment|booking|reservation|<place>)<some words>"
        r" (?:for|at|on|under|<day>)}\b(?! mind\b)",
        "create",
        "change",
    ),
    _state(r"{\byour<some words> <any word><is now><state adverbs> [<brought about>]}\b<no habit>"),
    _state(
        r"{\byour<some words> (?:<matter>|<place>)(?:'s| is| are)<state adverbs> (?:in|through|<book>|on (?:its|the) way)}\b(?! the\b)",
        "create",
        "done",
    ),
    _state(r"{\byour<some words> (?:has |have )?(?:gone|went|been put) through}\b", "create", "change", "send", "done"),
    _state(r"{\b(?:your|the|this|that)<a word or two> <matter><some words><is now><state adverbs> [<outcome>]}\b(?! (?:the|a)\b)"),
    # how it now stands with the thing
    _state(r"{<is now> successfully(?: been)? [<brought about>]}\b"),
    _state(r"<opening>{(?:your )?(?:\w+ )?<matter>(?:<is now>)?<state adverbs> [<brought about>|<outcome>]}\b<no habit>"),
    _state(r"{\b(?:the|your|this) (?!slot\b|spot\b|time\b|day\b|place\b)\w+<a word or two><has been> [<arranged>]}\b<no habit>"),
    _state(
        r"{\b(?:the|that|this|both|all|an?)<a word or two> <matter><some words><is now>"
        r"<state adverbs> [<brought about>]}\b<no habit>"
    ),
    _state(
        r"{\b(?:the|that) <place><some words><is now><state adverbs> (?:booked|reserved|confirmed) (?:for you|under|in your)}\b",
        "create",
    ),
    _state(
        r"{\b(?:it|that|this|everything|all of (?:it|that))(?:'?s| is| has)(?: now)?(?: been)?<state adverbs>"
        r" [<brought about>]}\b<no habit>(?! (?:with|here|of|from)\b)"
    ),
    _state(r"{\b(?:it|that|this|everything)(?:'s| is)<adverbs> (?:<book>|in your name|on (?:its|the) way)}\b", "create", "change", "note"),
    _state(r"{\b(?:it|that)(?:'s| is| has) already(?: been)? [cancell?ed|sent|done|taken care of|texted|e-?mailed|moved]}\b"),
    _state(r"{\bwe(?:'re| are) [all set|good to go|all done|all sorted]}\b"),
    _state(r"{\bthat(?:'s| is) you<some words> (?:[<standing>|done|in|down])}\b(?! to\b)"),
    _state(r"{\bconsider (?:it|that|yourself) [done|booked|cancell?ed|sorted|handled|taken care of]}\b"),
    # without a subject
    _state(
        r"<opening>{(?:just |now |that |all |successfully )?[<alone>]}(?=\s*\.|\s*!|\s*,|\s*$"
        r"|\s+(?:successfully|for|at|in|on|you|it|that|your|and|under)\b)"
    ),
    _state(r"<opening>(?:(?:we|I)(?:'ll| will) )?{(?:see|expect) you (?:then|(?:on )?(?:<day>)|at (?:<hour>))}\b", "create", "change"),
    _state(r"{\blook(?:ing)? forward to seeing you (?:then|(?:on )?(?:<day>)|at (?:<hour>))}\b", "create", "change"),
)

_CONDITION = re.compile(
    spelled(r"\b(?:if|once|when|whenever|after|before|until|till|unless|as soon as|as long as|whether|assuming|provided)\b").pattern,
    re.IGNORECASE,
)
_WINDOW_WORDS = 12
"""How far back a condition is looked for: recognised or streamed words may lack the marks that end a sentence."""
_NEARBY = spelled(
    r"\b(?:would|could|should|shall|might|may|will|not|never|nothing|\w+n't|cannot|usually|always|normally|typically|often|generally|most"
    r"|let me|wants?|needs?|to see|make sure|thinks?|wish|hope|hoping|says?|said|told|he|she|they|who|what|where|how|why|imagine|suppose"
    r"|used to|like|my|his|her|their)\b"
)
_NEARBY_WORDS = 6
_INVERTED = re.compile(
    r"\b(?:do|does|did|have|has|had|shall|should|can|could|will|would|may|might|must|is|are|was|were)\s+$", re.IGNORECASE
)
_RESTART = spelled(r"\b(?:okay|ok|alright|all right|great|perfect|anyway|there we go|there you go)\b|;")
_CLAUSE = re.compile(r"\A.*(?:[,:]|\b(?:and|but|so|because)\b)", re.IGNORECASE | re.DOTALL)
_TAKEN_BACK = spelled(
    r"\W*(?:if|once|when|whenever|as (?:soon|long)|after|before|until|till|unless|last (?:week|month|year|time)|yesterday|online"
    r"|by (?:mail|e-?mail|phone|post|text)|usually|provided|assuming)\b"
)
_FILLER = re.compile(r",?\s\b(?:um+|uh+|erm?|hmm+|mm+|you know|i mean)\b,?", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<!\bdr)(?<!\bmr)(?<!\bmrs)(?<!\bms)(?<!\bst)[.!?…]+(?=\s|$)|\n+", re.IGNORECASE)
_OPEN_STOP = re.compile(r"(?:\.{2,}|…)+|(?<=\b[ap]\.m)\.", re.IGNORECASE)
_SETTLED = re.compile(r"[\s,]+[\w'-]+[^\w'-]|\s*[.!,;:?…]")
_OPEN_WORD = re.compile(r"\W*(?:as|in)(?:\W+\w*)?$", re.IGNORECASE)


def find_phrases(text: str, *, begin: int = 0, final: bool = False) -> Iterator[Phrase]:
    """The claims in ``text`` from ``begin`` on, each as soon as the word after it leaves no doubt.

    Args:
        begin: where a sentence begins; what lies before is not looked at.
        final: no more words will come, so the last ones count as they stand.
    """
    plain = plain_of(text)
    for start, end, ended in _sentences(plain, begin, final=final):
        sentence = plain[start:end]
        for shape in _SHAPES:
            for found in shape.pattern.finditer(sentence):
                if _certain(sentence, found, shape, ended=ended):
                    kinds = shape.kinds or kinds_of_verb(found.group("verb"))
                    yield Phrase(start + found.start("claim"), start + found.end("claim"), end, ended, kinds)


def settled_until(text: str, begin: int) -> int:
    """Where the last sentence that may still grow begins."""
    return max((start for start, _, ended in _sentences(plain_of(text), begin, final=False) if not ended), default=len(text))


def without_open_stops(text: str) -> str:
    """The text without the stops that may end a sentence or not ("...", "10 a.m."); every character keeps its place."""
    return _OPEN_STOP.sub(lambda found: " " * len(found[0]), text)


def unfinished_sentence(text: str) -> str:
    """The last sentence of a text to which no more words come now, where nothing says that it is over."""
    ends = [mark.end() for mark in _SENTENCE_END.finditer(without_open_stops(plain_of(text)))]
    return text[ends[-1] if ends else 0 :].strip()


def plain_of(text: str) -> str:
    """The text with straight quotes and blanked fillers; every character keeps its place."""
    straight = text.replace("’", "'").replace("‘", "'").replace("—", ",").replace("–", ",")
    return _FILLER.sub(lambda found: " " * len(found[0]), straight)


def _sentences(plain: str, begin: int, *, final: bool) -> Iterator[tuple[int, int, bool]]:
    """The sentences with their marks; the last one may not have ended yet."""
    start = begin
    for mark in _SENTENCE_END.finditer(plain, begin):
        if not mark[0].startswith("\n") and mark.end() == len(plain) and not final and mark[0][-1] not in "!?":
            break  # "10 a.m" may go on
        yield start, mark.end(), True
        start = mark.end()
    if plain[start:].strip():
        yield start, len(plain), final


def _certain(sentence: str, found: re.Match[str], shape: _Shape, *, ended: bool) -> bool:
    """Whether nothing around the phrase makes it a question, a condition, a denial or somebody else's words."""
    before, after = sentence[: found.start("claim")], sentence[found.end() :]
    if restarts := list(_RESTART.finditer(before)):
        before = before[restarts[-1].end() :]
    nearby = _CLAUSE.sub("", before, count=1)
    if _CONDITION.search(_last_words(before, _WINDOW_WORDS)) or _NEARBY.search(_last_words(nearby, _NEARBY_WORDS)):
        return False
    if _INVERTED.search(before) or _TAKEN_BACK.match(after) or (_OPEN_WORD.match(after) and not ended):
        return False
    if sentence.rstrip().endswith("?") and not shape.acts:
        return False
    return ended or _SETTLED.match(after) is not None


def _last_words(text: str, count: int) -> str:
    return " ".join(text.split()[-count:])
