"""What the double answers to what it understood: a few phrases that fit any business and know nothing of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

_BOOKING = r"book|appointment|schedul|reserv|slot|haircut|table for|come in|see you at"
_WHEN = r"today|tomorrow|tonight|monday|tuesday|wednesday|thursday|friday|saturday|sunday|noon|o'?clock|\d ?[ap]\.?m|at (\d|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b"  # noqa: E501
_REACTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\b(bye|goodbye|see you|that'?s all)\b", ("Take care, bye bye!", "Bye now, and have a lovely day.")),
    (r"\b(thanks|thank you|cheers)\b", ("You're very welcome.", "My pleasure. Is there anything else?")),
    (r"\b(my name is|this is|i'?m called)\b", ("Lovely to meet you. And what is the best number to reach you?",)),
    (_WHEN, ("Okay, and what name should that be under?", "That sounds good. Mornings or afternoons?")),
    (_BOOKING, ("Sure, what day would you like?", "Happy to hear it. When would suit you best?")),
    (
        r"\b(how much|price|cost|open|hours|where|address)\b",
        ("Good question, let me have a look.", "One second, I will find that for you."),
    ),
    (r"^\W*(yes|yeah|yep|sure|right|okay|ok)\b", ("Great.", "Wonderful.")),
    (r"^\W*(no|nope|not really)\b", ("No problem at all.", "That's fine.")),
    (r"\b(hi|hello|hey|good (morning|afternoon|evening))\b", ("Hi there! What can I do for you?", "Hello! How are you today?")),
    (r"\b(how are you|how'?s it going)\b", ("I'm doing great, thanks for asking. And you?",)),
)
_ANYTHING = ("Mm-hm, tell me more.", "I see. Go on.", "Right, and what happened then?")


def sounds_like_booking(text: str) -> bool:
    """Whether somebody who says this is arranging a date."""
    return bool(re.search(f"{_BOOKING}|{_WHEN}", text, re.IGNORECASE))


class SmallTalk:
    """One session's answers. ``claims``: false confirmations, each given once, in place of the answer to a booking-like turn.

    Args:
        answers: whether anything but the claims is said at all.
    """

    def __init__(self, claims: Iterable[str] = (), *, answers: bool = True) -> None:
        self._claims = list(claims)
        self._answers = answers
        self._given: dict[tuple[str, ...], int] = {}

    def reply(self, text: str) -> str:
        """What to say to this turn; empty: nothing."""
        if not text.strip():
            return ""
        if self._claims and sounds_like_booking(text):
            return self._claims.pop(0)
        if not self._answers:
            return ""
        return self._next(next((answers for words, answers in _REACTIONS if re.search(words, text, re.IGNORECASE)), _ANYTHING))

    def _next(self, answers: tuple[str, ...]) -> str:
        turn = self._given.get(answers, 0)
        self._given[answers] = turn + 1
        return answers[turn % len(answers)]
