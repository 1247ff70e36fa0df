"""Answers from a tenant's knowledge_base, found by the words it shares with the question."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from media_plane.models.policy.words import label, stem, words_of

_GROUPS = (
    "price prices cost costs much charge fee rate pricing expensive",
    "hours hour open opening close closing closed when schedule time times weekend",
    "address where located location directions find",
    "phone telephone number call",
    "pay payment card cards cash credit",
    "cancel cancellation",
    "parking park",
    "services service offer menu sell",
    "allergy allergies allergens gluten vegan vegetarian",
    "kids children child",
    "policy policies rules",
    "delivery deliver delivers delivering delivered",
)
_SYNONYM: dict[str, str] = {stem(word): stem(group.split()[0]) for group in _GROUPS for word in group.split()}
_IGNORED_WORDS = (
    "a an the and or of to for in on at by with from is are was be do does did have has can could would will i me my we our you your it its"
    " this that there any some please just like want need get tell know what which who how about if so ok okay yes no hi hello hey im id"
    " whats hows wheres whens thats theres youre im take come thing anything something day today tomorrow"
)
_IGNORED = frozenset(_IGNORED_WORDS.split())
_ENOUGH = 1.2
_ASKING = frozenset({"where", "when"})
"""They ask for the address and the hours, unless another word of the question is to be found: "where can I park"."""
_ASKED_BESIDE = 0.5
_HOUSE = frozenset(stem(word) for word in ("shop", "store", "restaurant", "place", "business"))
"""The tenant itself; no subject where a question names one."""
_VAGUE = frozenset({stem("services"), stem("price")})
"""Words that fit too much: on their own they answer only a question that holds nothing else."""
_SPOKEN_ITEMS = 6
_TITLES = ("name", "title", "question", "item", "service", "product", "dish", "treatment")
_UNSAID = frozenset(("general", "text", "answer", "description", "details", "note", "notes", "content"))
"""Keys that say nothing: the sentence under them is told without."""
_SENTENCE = re.compile(r"(?:\S++\s++){3}.*(?:[!?]|(?<!\b\w)(?<!\b(?:St|Rd|Dr))(?<!\b(?:Ave|Inc|Ltd))\.)", re.S)
_DAY_NAME = re.compile(r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b")
_HOUR_RANGE = re.compile(
    r"\b(\d{1,2})(?:[:.]\d{2})?\s*(am|pm|noon|a\.m\.|p\.m\.)?\s*(?:-|–|—|to|until)\s*\d{1,2}(?:[:.]\d{2})?\s*(?:am|pm|a\.m\.|p\.m\.)?", re.I
)


@dataclass(frozen=True, slots=True)
class _Node:
    path: tuple[str, ...]
    value: JsonValue
    leaf: bool


def find_answer(question: str, knowledge: JsonValue) -> str:
    """A sentence or two that answers the question; empty when the knowledge has nothing on it."""
    nodes = list(_nodes(knowledge, ()))
    asked = _words(question)
    asked = asked - _HOUSE or asked
    if not nodes or not asked:
        return ""
    vocabularies = [(node, _own_words(node), _path_words(node)) for node in nodes]
    spread = _spread(vocabularies)
    beside = _beside(question, asked, spread)
    best, score = None, 0.0
    for node, own, path in vocabularies:
        if (common := asked & (own | path)) <= _VAGUE and common != asked:
            continue
        value = sum(
            _weight(word, spread, len(nodes)) * (1.5 if word in path else 1.0) * (_ASKED_BESIDE if word in beside else 1.0)
            for word in common
        )
        value -= 0.05 * len(node.path) if node.leaf else 0.0
        value += 0.1 if not node.leaf and asked & path else 0.0
        if value > score:
            best, score = node, value
    return _sentence(best) if best is not None and score >= _ENOUGH else ""


def opening_hour(knowledge: JsonValue, default: int) -> int:
    """The earliest hour at which any range in the knowledge begins ("9:00-18:00"); ``default`` when none is written."""
    hours = []
    for node in _nodes(knowledge, ()):
        if node.leaf and any(
            _canonical(stem(word)) == "hour" or _canonical(stem(word)) == _SYNONYM[stem("hours")]
            for part in node.path
            for word in words_of(part)
        ):
            for match in _HOUR_RANGE.finditer(str(node.value)):
                hour = int(match[1]) % 24
                hours.append(hour + 12 if (match[2] or "").lower().startswith("p") and hour < 12 else hour)
    return min(hours) if hours else default


def _nodes(value: JsonValue, path: tuple[str, ...]) -> Iterator[_Node]:
    if isinstance(value, dict):
        if path:
            yield _Node(path, value, leaf=False)
        for key, part in value.items():
            yield from _nodes(part, (*path, str(key)))
    elif isinstance(value, list):
        if path:
            yield _Node(path, value, leaf=not any(_own_node(part) for part in value))
        for part in value:
            if _own_node(part):
                yield from _nodes(part, (*path, _title(part)))
    elif value is not None:
        yield _Node(path, value, leaf=True)


def _own_node(part: JsonValue) -> bool:
    """Whether a list's item can answer alone: a record, or a whole sentence."""
    return isinstance(part, (dict, list)) or len(str(part).split()) > 3


def _title(part: JsonValue) -> str:
    if isinstance(part, dict):
        plain = {key.strip().lower(): value for key, value in part.items()}
        return str(next((plain[key] for key in _TITLES if key in plain), ""))
    return ""


def _canonical(word: str) -> str:
    return _SYNONYM.get(word, word)


def _words(text: str) -> set[str]:
    return {_canonical(stem(word)) for word in words_of(text) if word not in _IGNORED}


def _path_words(node: _Node) -> set[str]:
    return _words(" ".join(node.path))


def _own_words(node: _Node) -> set[str]:
    if node.leaf:
        return _words(str(node.value))
    parts = node.value.values() if isinstance(node.value, dict) else node.value if isinstance(node.value, list) else ()
    return _words(" ".join(str(part) for part in parts if not isinstance(part, (dict, list)))) if _title(node.value) else set()


def _spread(vocabularies: list[tuple[_Node, set[str], set[str]]]) -> Counter[str]:
    """In how many places a word stands; a heading is one, however much stands under it."""
    leaves = [(node, own, path) for node, own, path in vocabularies if node.leaf]
    headings = {node.path: path for node, _, path in leaves}
    return Counter([*(word for path in headings.values() for word in path), *(word for _, own, path in leaves for word in own - path)])


def _beside(question: str, asked: set[str], spread: Counter[str]) -> set[str]:
    """What only "where" and "when" ask for, when the knowledge has something on another word of the question."""
    named = {_canonical(stem(word)) for word in words_of(question) if word not in _IGNORED | _ASKING}
    return asked - named if any(word in spread for word in named & asked) else set()


def _weight(word: str, spread: Counter[str], total: int) -> float:
    return 1.0 + 0.8 * (1.0 - spread[word] / max(1, total))


def _sentence(node: _Node) -> str:
    said = _hours_or_address(node) or _plain_sentence(node)
    return _DAY_NAME.sub(lambda match: match[0].capitalize(), said)


def _hours_or_address(node: _Node) -> str:
    """Opening hours and the address as people say them: "On Saturday we're open 9 AM to 4 PM."."""
    if not isinstance(node.value, str) or len(node.value.split()) > 6 or not node.path:
        return ""
    value, last = node.value.strip().rstrip("."), label(node.path[-1])
    if last == "address":
        return f"We're at {value}."
    if len(node.path) < 2 or "hour" not in label(node.path[-2]) or not _DAY_NAME.match(last):
        return ""
    when = f"From {last}" if " to " in last else f"On {last}"
    return f"{when} we're closed." if value == "closed" else f"{when} we're open {value}."


def _plain_sentence(node: _Node) -> str:
    if isinstance(node.value, dict):
        return _record(node.value, node.path[-1])
    if isinstance(node.value, list):
        spoken = [_item(part) for part in node.value[:_SPOKEN_ITEMS]]
        if any(part.endswith(".") for part in spoken):
            return " ".join(_full_stop(part) for part in spoken)
        return f"{label(node.path[-1]).capitalize() if node.path[-1] else 'We have'}: {_listed(spoken)}."
    text = str(node.value).strip()
    if len(text.split()) > 5 or text.endswith((".", "!", "?")):
        return _full_stop(text)
    path = [label(part) for part in node.path if part]
    if (len(path) > 1 and path[-1] in ("price", "cost")) or (len(path) > 1 and path[-2] in ("prices", "price", "price list")):
        return f"{(path[-2] if path[-1] in ('price', 'cost') else path[-1]).capitalize()} is {_value(node.value)}."
    subject = path[-1] if path else "that"
    if len(path) > 1 and subject in (
        "price",
        "cost",
        "answer",
        "value",
        "text",
        "hours",
        "fee",
        "time",
        "area",
        "address",
        "duration",
        "duration minutes",
    ):
        subject = f"{path[-2]}, {subject}"
    return f"{subject.capitalize()}: {_value(node.value)}."


def _record(value: dict[str, JsonValue], name: str) -> str:
    """The facts of a record behind its name, then whole sentences, each behind its heading."""
    title = _title(value)
    facts: list[str] = []
    told: list[str] = []
    for key, part in [(key, part) for key, part in value.items() if str(part) != title and part is not None][:_SPOKEN_ITEMS]:
        heading = "" if label(key) in _UNSAID | {label(title or name)} else label(key)
        if sentences := _told(part):
            told += [f"{heading.capitalize()}: {sentences[0]}" if heading else sentences[0], *sentences[1:]]
        else:
            facts.append(_pair(heading, part))
    subject = title or (label(name).capitalize() if facts else "")
    said = " ".join([*([_full_stop(", ".join(facts))] if facts else []), *told][:_SPOKEN_ITEMS])
    return f"{subject}: {said}" if subject and said and not subject.endswith("?") else said or _full_stop(subject)


def _told(part: JsonValue) -> list[str]:
    """The sentences that a value is; none when it is but facts."""
    if isinstance(part, dict):
        return [_record(part, "")] if any(_told(one) for one in part.values()) else []
    if isinstance(part, list):
        said = [_item(one) for one in part[:_SPOKEN_ITEMS]]
        return [_full_stop(one) for one in said] if any(_SENTENCE.fullmatch(one.strip()) for one in said) else []
    text = str(part).strip()
    return [text] if _SENTENCE.fullmatch(text) else []


def _full_stop(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else text + "."


def _item(part: JsonValue) -> str:
    if isinstance(part, dict):
        rest = [_pair(label(key), value) for key, value in part.items() if str(value) != _title(part)]
        return " ".join([_title(part), *rest[:1]]).strip()
    return _value(part)


def _pair(key: str, part: JsonValue) -> str:
    return f"{key} {_value(part)}".strip()


def _value(part: JsonValue) -> str:
    if isinstance(part, bool):
        return "yes" if part else "no"
    if isinstance(part, dict):
        return ", ".join(_pair(label(name), value) for name, value in list(part.items())[:3])
    return _listed([_item(one) for one in part[:_SPOKEN_ITEMS]]) if isinstance(part, list) else str(part)


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
