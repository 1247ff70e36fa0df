"""What callers say beside the matter: greetings, thanks, goodbyes, "say that again", other languages."""

from __future__ import annotations

import re
from typing import Literal

Aside = Literal["repeat", "robot", "human", "goodbye", "cancel", "thanks", "greeting", "help", "wait", "foreign"]

_PATTERNS: tuple[tuple[Aside, re.Pattern[str]], ...] = (
    (
        "repeat",
        re.compile(
            r"\b(?:say (?:that|it) again|repeat (?:that|it)|come again|pardon"
            r"|what did you say|didn't (?:catch|hear|get) (?:that|you)|one more time)\b|^what\?$"
        ),
    ),
    (
        "robot",
        re.compile(
            r"\bare you (?:a |an )?(?:real|human|robot|bot|machine|computer|ai|person"
            r"|actual)\b|\bam i (?:talking|speaking) to (?:a )?(?:robot|machine|bot|ai)"
        ),
    ),
    (
        "human",
        re.compile(
            r"\b(?:speak|talk|transfer|connect|put)\b.{0,20}\b(?:human|person|agent"
            r"|representative|manager|someone|somebody|operator|staff|owner)\b|\breal person\b"
            r"|\b(?:speak|talk) (?:to|with) (?!you\b|me\b|a (?:ro)?bot)\w+"
        ),
    ),
    (
        "wait",
        re.compile(
            r"^(?:no[, ]+|oh[, ]+)?(?:please )?(?:wait|hold on|hang on"
            r"|(?:one|just a|a) (?:sec|second|moment|minute))[ ,.!]*(?:please)?[.!]*$"
        ),
    ),
    (
        "cancel",
        re.compile(
            r"\b(?:never ?mind|forget (?:it|that|about it)|cancel (?:that|it"
            r"|this)|changed my mind|leave it|don't bother|scratch that|stop it)\b"
        ),
    ),
    (
        "goodbye",
        re.compile(
            r"\b(?:good ?bye|bye(?: ?bye)?|see you|have a (?:good|nice|great) (?:day|one|evening|night)|take care"
            r"|talk to you (?:later|soon))\b|^(?:no[, ]+)?(?:thanks?"
            r"|thank you)?[, ]*that(?:'s| is| will be|'ll be| would be) (?:all|it|everything)\b"
        ),
    ),
    ("help", re.compile(r"\bwhat can you do\b|\bhow (?:can|could) you help\b|^help\b|\bwhat do you do\b")),
    (
        "thanks",
        re.compile(
            r"^(?:(?:great|perfect|ok|okay|awesome|wonderful|good|yes|lovely|all right|alright"
            r"|no)[,. !]+)*(?:thanks|thank you|cheers|much appreciated)(?: (?:so|very) much| a lot)?[ .!]*$"
        ),
    ),
    (
        "greeting",
        re.compile(
            r"^(?:hi|hello|hey|good (?:morning|afternoon|evening)"
            r"|hi there|hello there)(?:[ ,.!]+(?:there|hi|hello))*[ ,.!?]*$"
        ),
    ),
)
_FOREIGN_WORDS = frozenset(
    [
        "hola",
        "quiero",
        "buenos",
        "buenas",
        "gracias",
        "por",
        "favor",
        "puedo",
        "una",
        "cita",
        "mañana",
        "ich",
        "möchte",
        "guten",
        "tag",
        "bitte",
        "einen",
        "termin",
        "bonjour",
        "je",
        "voudrais",
        "merci",
        "rendez",
        "vous",
        "ciao",
        "vorrei",
        "grazie",
        "buongiorno",
        "olá",
        "obrigado",
    ]
)


def find_aside(text: str) -> Aside | None:
    """The aside in a caller's words (any case), or None when they are to the matter."""
    lower = text.lower().replace("’", "'").strip()
    if is_foreign(lower):
        return "foreign"
    return next((aside for aside, pattern in _PATTERNS if pattern.search(lower)), None)


_AGAIN = re.compile(
    r"\b(?:what time|when|what day|which day|what was)\b"
    r".*\b(?:booked|my (?:appointment|reservation|booking|table|order)|it (?:again|for))\b"
)


def asks_again(text: str) -> bool:
    """Whether a normalised text asks for what was just arranged: "what time is it booked for?"."""
    return _AGAIN.search(text) is not None


_MERE = re.compile(
    r"(?:(?:um|uh|oh|well|and|yes|yeah|yep|yup|no|nope|nah|ok|okay|sure|fine|right|correct|great|perfect|good|alright|all right"
    r"|of course|absolutely|definitely|certainly|by all means|go ahead|please|thanks|thank you|no problem|not really|sounds good"
    r"|i (?:do|don't|do not)|i (?:do not |don't )?(?:agree|consent|mind)|i(?:'d| would) rather not"
    r"|(?:that's|that is|it's|it is) (?:fine|okay|ok|good|all right|alright|right)(?: with me| by me)?)(?: |$))+"
)
_RECORDING = re.compile(r"\brecord(?:ed|ing)?\b")
_AGAINST = re.compile(r"\b(?:no|not|never|don't|dont|won't|can't|cannot|wouldn't|stop|off|without|refuse|rather|against|mind|object)\b")
_FOR = re.compile(r"\b(?:yes|yeah|sure|fine|ok|okay|right|agree|may|can|ahead|course|happy|consent|allow|accept|good)\b")
_RECORDING_WORDS = (
    "a about account against agree ahead all allow allowed alright am and any anything be being but by call can can't cannot"
    " consent conversation could course do don't dont either feel fine for free give go good happy have hello hey hi i i'd i'll i'm"
    " it it's like may me mind my never no not object of off oh ok okay on please prefer problem rather record recorded recording"
    " refuse right say sorry stop sure switch thank thanks that that's the this to turn uh um us voice want we well will with"
    " without won't would wouldn't yeah yes you your"
)
_OF_RECORDING = frozenset(_RECORDING_WORDS.split())


def merely_answers(normal: str) -> bool:
    """Whether a normalised text is a yes or a no and nothing else."""
    return _MERE.fullmatch(_plain(normal)) is not None


def on_recording(normal: str) -> Literal["", "refused", "granted"]:
    """Whether a normalised text refuses or grants the recording of the call, and says nothing else."""
    words = _plain(normal)
    if not _RECORDING.search(words) or not _OF_RECORDING.issuperset(words.split()):
        return ""
    if _AGAINST.search(words):
        return "refused"
    return "granted" if _FOR.search(words) and "?" not in normal else ""


def _plain(normal: str) -> str:
    return " ".join(re.findall(r"[\w']+", normal))


def is_foreign(text: str) -> bool:
    """Whether the words are hardly English: another alphabet, or mostly words of another language."""
    letters = [character for character in text if character.isalpha()]
    if letters and sum(not character.isascii() for character in letters) > len(letters) / 2:
        return True
    words = re.findall(r"[^\W\d_]+", text.lower())
    return len(words) >= 2 and sum(word in _FOREIGN_WORDS for word in words) >= max(2, len(words) / 2)
