"""Uploaded documents as values that a model can read: Markdown, plain text, HTML, CSV and JSON. Pure."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Literal, get_args

from pydantic import JsonValue

ContentType = Literal["text/markdown", "text/plain", "text/html", "text/csv", "application/json"]
CONTENT_TYPES: tuple[str, ...] = get_args(ContentType)
_LONG_PARAGRAPH = 240
_DEEPEST = 20
_HEADING = re.compile(r"(#{1,6})(?:\s+(.*?))?\s*#*")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,3}[.)])\s+(.*)")
_TABLE_RULE = re.compile(r"\|?[\s:|-]+\|[\s:|-]*")
_MARKS = re.compile(r"\*\*|__|`|!?\[([^\]]*)\]\([^)]*\)")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_BLOCKS = frozenset(("p", "div", "li", "tr", "br", "section", "article", "table", "ul", "ol", "dt", "dd", "blockquote", "title"))
_UNSEEN = frozenset(("script", "style", "template", "noscript"))


def read_document(content_type: ContentType, text: str) -> JsonValue:
    """The document's content: sections by heading, paragraphs and items as lists, records as they are.

    Raises:
        ValueError: it cannot be read as what it says it is, or holds nothing; the words say why.
    """
    match content_type:
        case "application/json":
            value = _json(text)
        case "text/csv":
            value = _csv(text)
        case "text/html":
            value = _sections(_html_lines(text))
        case "text/markdown":
            value = _sections(_markdown_lines(text))
        case "text/plain":
            value = _sections(text.splitlines())
    if value in (None, "", [], {}):
        raise ValueError("there is no text in it")
    return value


def _json(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error
    except ValueError as error:
        raise ValueError(f"it is not JSON: {error}") from error
    if _depth(value) > _DEEPEST:
        raise ValueError(f"it nests more than {_DEEPEST} levels deep")
    return value


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _depth(value: JsonValue) -> int:
    level, values = 0, [value]
    while values and level <= _DEEPEST:
        level += 1
        values = [part for one in values for part in _parts(one)]
    return level


def _parts(value: JsonValue) -> list[JsonValue]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _csv(text: str) -> JsonValue:
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), strict=True) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ValueError(f"it is not CSV: {error}") from error
    if len(rows) < 2:
        raise ValueError("it needs a line of names and at least one more line")
    names = rows[0]
    for at, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise ValueError(f"row {at} has {len(row)} cells where the names are {len(names)}")
    return [{name: cell for name, cell in zip(names, row, strict=True) if name and cell} for row in rows[1:]]


# --- sections ----------------------------------------------------------------------------------------------------------------


def _markdown_lines(text: str) -> Iterator[str]:
    """Lines without marks that are for the eye; a table's row as its cells."""
    for line in text.splitlines():
        plain = _MARKS.sub(lambda found: found[1] or "", line).rstrip()
        if plain.startswith("|"):
            if not _TABLE_RULE.fullmatch(plain):
                yield "- " + ", ".join(cell.strip() for cell in plain.strip("|").split("|") if cell.strip())
        elif not plain.strip().startswith("```"):
            yield plain.removeprefix("> ")


class _Text(HTMLParser):
    """The text of a page, block by block, headings with their marks."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = [""]
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in _UNSEEN
        if tag in _BLOCKS or _is_heading(tag):
            self.lines += ["", "#" * int(tag[1]) + " " if _is_heading(tag) else ""]

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in _UNSEEN and self._unseen > 0
        if tag in _BLOCKS or _is_heading(tag):
            self.lines += ["", ""]

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.lines[-1] += " ".join(data.split()).join((" " * data[:1].isspace(), " " * data[-1:].isspace()))


def _is_heading(tag: str) -> bool:
    return len(tag) == 2 and tag[0] == "h" and tag[1] in "123456"


def _html_lines(text: str) -> list[str]:
    reader = _Text()
    reader.feed(text)
    reader.close()
    return [line if line.startswith("#") else line.strip() for line in reader.lines]


def _sections(lines: list[str] | Iterator[str]) -> JsonValue:
    """Paragraphs under their headings, a heading within a heading."""
    root: dict[str, JsonValue] = {}
    places: list[tuple[int, dict[str, JsonValue]]] = [(0, root)]
    paragraph: list[str] = []
    for line in (*lines, ""):
        heading, item = _HEADING.fullmatch(line), _ITEM.fullmatch(line)
        if heading or item or not line.strip():
            _close(paragraph, places[-1][1])
        if heading and heading[2]:
            level = len(heading[1])
            while places[-1][0] >= level:
                places.pop()
            section: dict[str, JsonValue] = {}
            places[-1][1][_free(heading[2], places[-1][1])] = section
            places.append((level, section))
        elif line.strip() and not heading:
            paragraph.append(item[1] if item else line.strip())
    return _plain(root)


def _close(paragraph: list[str], section: dict[str, JsonValue]) -> None:
    """What was gathered becomes a paragraph; a long one is split at its sentences."""
    text = " ".join(" ".join(paragraph).split())
    paragraph.clear()
    said = section.setdefault("", []) if text else None
    if isinstance(said, list):
        said += _SENTENCE_END.split(text) if len(text) > _LONG_PARAGRAPH else [text]


def _free(name: str, taken: dict[str, JsonValue]) -> str:
    """The name, numbered where it stands there already."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free


def _plain(section: dict[str, JsonValue]) -> JsonValue:
    """A section without headings is its paragraphs, one with headings keeps its own first; a heading over nothing is a paragraph."""
    said = section.pop("", [])
    read = {name: _plain(part) for name, part in section.items() if isinstance(part, dict)}
    parts = {name: part for name, part in read.items() if part != []}
    own = [*(said if isinstance(said, list) else ()), *(name for name, part in read.items() if part == [])]
    if not parts:
        return own[0] if len(own) == 1 else own
    return {_free("General", parts): own, **parts} if own else parts
