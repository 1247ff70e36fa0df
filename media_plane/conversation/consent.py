"""Whether a caller refuses to be recorded, and what becomes of the call then: told from words, pure.

English only. Right after a line that asked, a call is not recorded when the answer is in doubt: whoever begins with a no, and does
not go on to say that it is fine, has refused. Later only words that speak of the recording count. Words that say yes are never taken for
a refusal.
"""

from __future__ import annotations

import re

_NOT = r"(?<!why )(?:do not|don't|dont|did not|didn't|not|never|refuse|rather not|won't|can't|cannot)"
_FINE = r"(?!\s+(?:mind|care|object|have|worry|worried|against|at all|an?\s+(?:problem|issue)))"
_NO_QUESTION = r"(?:(?!\b(?:is|are|am)\s+(?:this|the|our|you|we|i)\b)[^.?!]){0,30}?"
_OF_WHOM = r"(?:me|us|my\s+\w+|(?:this|the|our)\s+(?:call|conversation))"
_OF_ELSE = r"(?!\s+(?:you|that|which|of\s+(?!(?:this|the|our)\s+(?:call|conversation)|me\b|us\b|my\b|anything)))"
_GRANT = r"(?:agree|consent|allow|permit|accept|approve|want|wish|like|okay)"
_THE_RECORDING = rf"(?:(?:this|the|a|any)\s+)?recordings?\b(?!\s+(?:studio|artist|session|device)){_OF_ELSE}"
_RECORDED = "|".join(
    (
        r"be(?:ing)?\s+record(?:ed|ing)\b",
        rf"record(?:ing)?\s+{_OF_WHOM}\b",
        rf"(?:{_OF_WHOM}|this|that|it)\s+(?:to be\s+)?recorded\b",
        r"want\s+you\s+to\s+record\b",
        rf"{_GRANT}\b(?:\s+(?:to|of|for|with))?\s+{_THE_RECORDING}",
    )
)
_EXPLICIT = re.compile(
    "|".join(
        (
            rf"\b{_NOT}\b{_FINE}{_NO_QUESTION}\b(?:{_RECORDED})",
            r"(?<!why )(?<!did )\b(?:do not|don't|dont|not|never)\s+record(?:\s+(?:this|it|anything|me|us))?\s*"
            r"(?:[.,;!?]|$|\bplease\b|\band\b|\bbut\b)",
            rf"(?<!n't )(?<!not )\b(?:stop|turn off|switch off|end|delete|erase|without|no|rather not have)\s+{_THE_RECORDING}",
            r"(?<!n't )(?<!not )\b(?:turn|switch)\s+(?:the\s+|this\s+)?recording\s+off\b",
            r"(?:\bnot|n't|\bno)\b[^.?!]{0,20}\bpermission\s+to\s+record\b",
            r"\b(?:do not|don't|dont)\s+(?:give\s+)?(?:my\s+|you\s+)?consent\b",
            r"\b(?:withdraw|revoke)\s+(?:my\s+)?consent\b",
            r"\bopt(?:ing)?\s+out\s+of\s+(?:the\s+|being\s+|this\s+)?record",
            r"(?<!n't )(?<!not )\bobject\s+to\s+(?:you\s+|this\s+|the\s+|being\s+|call\s+)*record",
        )
    )
)
_BEFORE = r"(?:(?:um+|uh+|er+|well|oh|hi|hello|hey|sorry|actually|hm+|look)\b[ ,.!-]*)*"
_IT_IS_FINE = (
    r"(?:problem|objections?|worries|issues?|not at all|of course|go ahead"
    r"|(?:that's|that is|it's|it is)\s+(?:\w+\s+)?(?:fine|ok|okay|all right|alright)"
    r"|i\s+(?:don't|do not)\s+(?:mind|care|object)|(?:\w+\s+)?(?:don't|do not)\s+mind|you (?:can|may))\b(?!\s+not\b)"
)
_NO = re.compile(
    rf"{_BEFORE}(?:"
    rf"(?:no|nope|nah)\b(?!(?:[ ,.!-]|\b(?:no|please)\b)*{_IT_IS_FINE})"
    r"|(?:absolutely|definitely|certainly|rather|preferably|of course|i(?:'d| would) (?:rather|prefer)) not\b"
    r"|not really\b|i(?:'d| would) (?:rather|prefer)(?: if)? you (?:didn't|did not)\b"
    r"|(?:please )?(?:don't|do not)(?: do (?:that|it|so)| please)?\W*$"
    r"|i (?:don't|do not) (?:agree|want (?:that|it|this|to))\W*$|i object(?: to (?:that|it|this))?\W*$|you may not\b"
    r")"
)


def refuses_recording(text: str, *, asked: bool) -> bool:
    """Whether the words refuse it.

    Args:
        asked: these are the caller's first words, after a line that asked whether the recording is fine: then a no is enough.
    """
    words = text.lower().replace("\u2019", "'").strip()
    return bool(_EXPLICIT.search(words)) or (asked and bool(_NO.match(words)))
