"""Whether a caller refuses to be recorded, and what becomes of the call then: told from words, pure.

English only, as spoken in answer to a consent line. In doubt a call is not recorded; words that say yes are never taken for a refusal.
"""

from __future__ import annotations

import re

_NOT = r"(?<!why )(?:do not|don't|dont|did not|didn't|not|never|refuse|rather not|won't|can't|cannot)"
_FINE = r"(?!\s+(?:mind|care|object|have|worry|worried|against|at all|an?\s+(?:problem|issue)))"
_NO_QUESTION = r"(?:(?!\b(?:is|are|am)\s+(?:this|the|our|you|we|i)\b)[^.?!]){0,30}?"
_OF_WHOM = r"(?:me|us|my\s+\w+|(?:this|the|our)\s+(?:call|conversation))"
_RECORDED = rf"(?:be(?:ing)?\s+record(?:ed|ing)|record(?:ing)?\s+{_OF_WHOM}|(?:this|the|a|any)\s+recording)"
_EXPLICIT = re.compile(
    rf"\b{_NOT}\b{_FINE}{_NO_QUESTION}\b{_RECORDED}"
    r"|\b(?:do not|don't|dont)\s+record(?:\s+(?:this|it|anything))?\s*(?:[.,;!]|$|\bplease\b|\band\b|\bbut\b)"
    r"|(?<!n't )(?<!not )\b(?:stop|turn off|switch off|end|without|no)\s+(?:the\s+|this\s+|any\s+)?recording\b"
    r"(?!\s+(?:studio|artist|session|device))"
    r"|\b(?:do not|don't|dont)\s+(?:give\s+)?(?:my\s+|you\s+)?consent\b"
)
_BARE = re.compile(
    r"(?:no|nope|no,? thanks?|no,? thank you|no,? (?:i )?(?:do not|don't|dont)(?: agree| want that)?|i (?:do not|don't|dont) agree"
    r"|i(?:'d| would) rather not)[.! ]*"
)


def refuses_recording(text: str, *, asked: bool) -> bool:
    """Whether the words refuse it.

    Args:
        asked: the caller's first words, after a line that asked whether the recording is fine: then a mere no is enough.
    """
    words = text.lower().replace("\u2019", "'").strip()
    return bool(_EXPLICIT.search(words)) or (asked and bool(_BARE.fullmatch(words)))
