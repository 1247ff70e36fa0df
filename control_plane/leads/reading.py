"""The lead that can be read without a model: from the tools' arguments and outcomes first, then from the caller's own words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from nexus.domain.lead import LeadObject, Sentiment
from nexus.domain.session import PrivateTranscript, ToolUse

_LOOK_UPS = frozenset({"check", "find", "get", "list", "search", "look", "lookup", "show", "is", "query", "track", "status"})
_BOOKINGS = frozenset({"book", "reserve", "schedule", "reschedule"})
_ORDERS = frozenset({"order", "buy", "purchase"})
_PERSON_KEYS = re.compile(r"^(?:name|(?:customer|client|caller|guest|full|owner|patient|contact)_?name)$")
_PHONE_KEYS = re.compile(r"phone|mobile|telephone")
_NAME_SAID = re.compile(r"\b(?i:my name is|my name's|the name is|this is|i'm|i am|it's)\s+([A-Z][\w'-]+(?:\s[A-Z][\w'-]+){0,2})")
_PHONE_SAID = re.compile(r"(?<!\d)(\+?\(?\d(?:[ .()-]{0,2}\d){6,14})(?!\d)")
_GOOD = re.compile(
    r"\b(?:thank(?:s| you)|great|perfect|awesome|wonderful|excellent|lovely|amazing|love it|happy|good job|very helpful|appreciate)\b", re.I
)
_BAD = re.compile(
    r"\b(?:terrible|awful|horrible|angry|annoy\w*|frustrat\w*|ridiculous"
    r"|useless|complain\w*|worst|bad|upset|disappoint\w*|unacceptable|hate|rude|waste)\b",
    re.I,
)
_WANTS_PERSON = re.compile(
    r"\b(?:call me back|callback|call back|speak to (?:a|the|someone)|talk to (?:a|the|someone)|real person|manager)\b", re.I
)
_REFUSED = re.compile(
    r"\b(?:taken|unavailable|not available|fully booked|sorry|couldn't|can't|cannot|failed|no free)\b|\"ok\":\s*false", re.I
)
_TOPICS = {
    "price": r"\bhow much|price|cost\b",
    "opening hours": r"\b(?:opening )?hours|\bare you open|\bwhen do you (?:open|close)",
    "location": r"\bwhere are you|address|parking\b",
    "availability": r"\bavailab|\bfree (?:slot|time|table)|\bdo you have any",
    "payment": r"\bpay|card|cash\b",
    "cancellation": r"\bcancel",
    "complaint": r"\bcomplain",
}


def read_lead(transcript: PrivateTranscript) -> LeadObject:
    """The lead of one call; the same transcript always gives the same lead."""
    said = " ".join(turn.text for turn in transcript.turns if turn.role == "caller" and not turn.backchannel)
    done = [use for use in transcript.tools if use.status in ("done", "replayed") and not _REFUSED.search(use.output)]
    outcome = _outcome(transcript, done, said)
    name = _argument(transcript.tools, _PERSON_KEYS) or _match(_NAME_SAID, said)
    phone = _argument(transcript.tools, _PHONE_KEYS) or _match(_PHONE_SAID, said) or transcript.caller_phone
    topics = tuple(dict.fromkeys(_topics(transcript, said)))[:6]
    intent = _intent(transcript.tools, topics, said)
    follow_up = (
        outcome == "request_failed" or _WANTS_PERSON.search(said) is not None or any(use.status == "unknown" for use in transcript.tools)
    )
    return LeadObject(
        customer_name=name,
        customer_phone=phone,
        core_intent=intent,
        sentiment=_sentiment(said),
        call_outcome=outcome,
        key_topics=topics,
        follow_up_required=follow_up,
        summary=_summary(name, intent, outcome, done, follow_up),
    )


def read_fields(transcript: PrivateTranscript, wanted: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """The tenant's fields that a tool was given under the same name; the last use counts."""
    given = {name: value for use in transcript.tools for name, value in use.arguments.items()}
    return {name: given[name] for name in wanted if name in given}


def _verb(use: ToolUse) -> str:
    return use.name.lower().split("_")[0]


def _changes(uses: Sequence[ToolUse]) -> list[ToolUse]:
    return [use for use in uses if _verb(use) not in _LOOK_UPS]


def _outcome(transcript: PrivateTranscript, done: Sequence[ToolUse], said: str) -> str:
    changes = _changes(done)
    if changes:
        words = set(changes[-1].name.lower().split("_"))
        return "booking_made" if words & _BOOKINGS else "order_placed" if words & _ORDERS else "request_completed"
    if _changes(transcript.tools):
        return "request_failed"
    answered = any(turn.role == "agent" and turn.i > 0 and turn.heard_text for turn in transcript.turns)
    return "information_given" if said.strip() and answered else "abandoned"


def _intent(uses: Sequence[ToolUse], topics: Sequence[str], said: str) -> str:
    for use in [*_changes(uses), *uses]:
        words = set(use.name.lower().split("_"))
        if words & _BOOKINGS or words & {"availability", "appointment", "appointments", "table"}:
            return "booking"
        if words & _ORDERS:
            return "order"
        return " ".join(use.name.lower().split("_"))
    if re.search(r"\b(?:book|appointment|reserve|reservation)\b", said, re.I):
        return "booking"
    if re.search(r"\border\b", said, re.I):
        return "order"
    return f"{topics[0]} question" if topics else "unknown" if not said.strip() else "information"


def _topics(transcript: PrivateTranscript, said: str) -> Iterator[str]:
    for use in transcript.tools:
        for key, value in use.arguments.items():
            if isinstance(value, str) and re.search(r"service|item|treatment|product|dish|type", key):
                yield value.replace("_", " ")
    for topic, pattern in _TOPICS.items():
        if re.search(pattern, said, re.I):
            yield topic


def _argument(uses: Sequence[ToolUse], key: re.Pattern[str]) -> str:
    found = (
        str(value) for use in reversed(uses) for name, value in use.arguments.items() if key.search(name.lower()) and isinstance(value, str)
    )
    return next((value for value in found if value), "")


def _match(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1].strip() if found else ""


def _sentiment(said: str) -> Sentiment:
    good, bad = len(_GOOD.findall(said)), 2 * len(_BAD.findall(said))
    return "negative" if bad > good else "positive" if good > bad else "neutral"


def _summary(name: str, intent: str, outcome: str, done: Sequence[ToolUse], follow_up: bool) -> str:
    who = name or "The caller"
    endings = {
        "booking_made": "A booking was made",
        "order_placed": "An order was placed",
        "request_completed": "The request was completed",
        "request_failed": "The request could not be completed",
        "information_given": "The caller was given information",
        "abandoned": "The call ended before anything was settled",
    }
    details = _details(_changes(done)[-1]) if _changes(done) else ""
    wanted = f"{who} called about: {intent}." if intent != "unknown" else f"{who} called and did not say why."
    return f"{wanted} {endings[outcome]}{details}{'; somebody should get back to the caller' if follow_up else ''}."


def _details(use: ToolUse) -> str:
    hidden = (_PHONE_KEYS, _PERSON_KEYS)
    parts = [
        f"{key} {value}".replace("_", " ")
        for key, value in use.arguments.items()
        if isinstance(value, (str, int)) and not any(pattern.search(key) for pattern in hidden)
    ]
    return f" ({', '.join(parts)})" if parts else ""
