"""Uploaded documents as values that a model can read: Markdown, plain text, HTML, CSV and JSON. Pure.

Strangers wrote them, and they are read beside living calls: whatever is in one, reading takes time in proportion to its length.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Literal, get_args

from pydantic import JsonValue

ContentType = Literal["text/markdown", "text/plain", "text/html", "text/csv", "application/json"]
CONTENT_TYPES: tuple[str, ...] = get_args(ContentType)
_LONG_PARAGRAPH = 240
_DELIMITERS = (",", ";", "\t")
_DEEPEST = 20
_HEADING = re.compile(r"(#{1,6})(?!\S)")
_LONGEST_LINK = 500
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,3}[.)])\s+(.*)")
_TABLE_RULE = re.compile(r"[\s:|-]+")
_MARKS = re.compile(rf"\*\*|__|`|!?\[([^\[\]]{{0,{_LONGEST_LINK}}})\]\([^)]{{0,{_LONGEST_LINK}}}\)")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_BLOCKS = frozenset(("p", "div", "li", "tr", "br", "section", "article", "table", "ul", "ol", "dt", "dd", "blockquote", "title"))
_UNSEEN = frozenset(("script", "style", "template", "noscript"))
_UNREAD = frozenset(("script", "style"))
_TAG = re.compile(r"""<(/?)([a-zA-Z][^\s/>]*+)(?:[^>"']++|"[^"]*+"|'[^']*+')*+>""")
_BARE_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*+)[^>]*+>")


def read_document(content_type: ContentType, text: str) -> JsonValue:
    """The document's content: sections by heading, paragraphs and items as lists, records as they are.

    Raises:
        ValueError: it cannot be read as what it says it is, or holds nothing; the words say why.
    """
    if "\0" in text:
        raise ValueError("it holds a NUL character: save it as UTF-8 text")
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
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        # Written as \ud800 or 1e999 it is JSON; as part of a prompt it would break every call of the tenant.
        raise ValueError("it holds half a character (\\ud800 to \\udfff without its pair) or a number beyond all bounds") from error
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
    lines = text.splitlines()
    try:
        table = csv.reader(lines, strict=True, delimiter=_delimiter(lines))
        rows = [[cell.strip() for cell in row] for row in table if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ValueError(f"it is not CSV: {error}") from error
    if len(rows) < 2:
        raise ValueError("it needs a line of names and at least one more line")
    names = rows[0]
    for at, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise ValueError(f"row {at} has {len(row)} cells where the names are {len(names)}")
    return [{name: cell for name, cell in zip(names, row, strict=True) if name and cell} for row in rows[1:]]


def _delimiter(lines: list[str]) -> str:
    """What parts the cells: a comma, unless the names and the first row fall into more cells by another."""
    first = [line for line in lines if line.strip()][:2]
    cells = {one: min((len(row) for row in csv.reader(first, delimiter=one)), default=0) for one in _DELIMITERS}
    return max(_DELIMITERS, key=cells.__getitem__)


# --- sections ----------------------------------------------------------------------------------------------------------------


def _markdown_lines(text: str) -> Iterator[str]:
    """Lines without marks that are for the eye; a table's row as its cells."""
    for line in text.splitlines():
        plain = _MARKS.sub(lambda found: found[1] or "", line).rstrip()
        if plain.startswith("|"):
            if not ("|" in plain[1:] and _TABLE_RULE.fullmatch(plain)):
                yield "- " + ", ".join(cell.strip() for cell in plain.strip("|").split("|") if cell.strip())
        elif not plain.strip().startswith("```"):
            yield plain.removeprefix("> ")


class _Text:
    """The text of a page, block by block, headings with their marks."""

    def __init__(self) -> None:
        self.lines: list[str] = [""]
        self._unseen = 0

    def start(self, tag: str) -> None:
        self._unseen += tag in _UNSEEN
        if tag in _BLOCKS or _is_heading(tag):
            self.lines += ["", "#" * int(tag[1]) + " " if _is_heading(tag) else ""]

    def end(self, tag: str) -> None:
        self._unseen -= tag in _UNSEEN and self._unseen > 0
        if tag in _BLOCKS or _is_heading(tag):
            self.lines += ["", ""]

    def data(self, text: str) -> None:
        said = unescape(text)
        if said and not self._unseen:
            self.lines[-1] += " ".join(said.split()).join((" " * said[:1].isspace(), " " * said[-1:].isspace()))


def _is_heading(tag: str) -> bool:
    return len(tag) == 2 and tag[0] == "h" and tag[1] in "123456"


def _html_lines(text: str) -> list[str]:
    page = _Text()
    for kind, said in _html_parts(text):
        {"text": page.data, "start": page.start, "end": page.end}[kind](said)
    return [line if line.startswith("#") else line.strip() for line in page.lines]


def _html_parts(text: str) -> Iterator[tuple[str, str]]:
    """Text, beginnings and ends of tags. What never ends (a comment, a tag, a script) takes the rest with it: nothing is looked for twice.

    **Source:** HTML Living Standard 13.2.5, what a tokenizer does at the end of the file.
    """
    at, tag = 0, _TAG
    while (opens := text.find("<", at)) >= 0:
        yield "text", text[at:opens]
        following = text[opens + 1 : opens + 2]
        if following in ("!", "?"):
            at = _behind(text, "-->" if text.startswith("<!--", opens) else ">", opens)
        elif following == "/" or (following.isascii() and following.isalpha()):
            found = tag.match(text, opens)
            if found is None and (found := _BARE_TAG.match(text, opens)):
                tag = _BARE_TAG  # a quotation mark without its other half: from here on none counts
            if found is None:
                at = _behind(text, ">", opens)
                continue
            name = found[2].lower()
            yield ("end" if found[1] else "start"), name
            at = found.end()
            if name in _UNREAD and not found[1]:
                closes = re.compile(f"(?=</{name})", re.IGNORECASE).search(text, at)
                at = len(text) if closes is None else closes.start()
        else:
            yield "text", "<"
            at = opens + 1
    yield "text", text[at:]


def _behind(text: str, end: str, start: int) -> int:
    found = text.find(end, start)
    return len(text) if found < 0 else found + len(end)


def _sections(lines: list[str] | Iterator[str]) -> JsonValue:
    """Paragraphs under their headings, a heading within a heading."""
    root: dict[str, JsonValue] = {}
    places: list[tuple[int, dict[str, JsonValue]]] = [(0, root)]
    names: dict[tuple[int, str], int] = {}
    paragraph: list[str] = []
    for line in (*lines, ""):
        heading, item = _heading(line), _ITEM.fullmatch(line)
        if heading or item or not line.strip():
            _close(paragraph, places[-1][1])
        if heading and heading[1]:
            level, name = heading
            while places[-1][0] >= level:
                places.pop()
            section: dict[str, JsonValue] = {}
            parent = places[-1][1]
            free, names[id(parent), name] = _free(name, parent, names.get((id(parent), name), 1))
            parent[free] = section
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


def _heading(line: str) -> tuple[int, str] | None:
    """Level and name of a heading, without the marks that may close it."""
    marks = _HEADING.match(line)
    return None if marks is None else (len(marks[1]), line[marks.end() :].rstrip("#").strip())


def _free(name: str, taken: dict[str, JsonValue], number: int = 1) -> tuple[str, int]:
    """The name, numbered where it stands there already, and its number; those below ``number`` are known to stand there."""
    free = name if number == 1 else f"{name} ({number})"
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free, number


def _plain(section: dict[str, JsonValue]) -> JsonValue:
    """A section without headings is its paragraphs, one with headings keeps its own first; a heading over nothing is a paragraph."""
    said = section.pop("", [])
    read = {name: _plain(part) for name, part in section.items() if isinstance(part, dict)}
    parts = {name: part for name, part in read.items() if part != []}
    own = [*(said if isinstance(said, list) else ()), *(name for name, part in read.items() if part == [])]
    if not parts:
        return own[0] if len(own) == 1 else own
    return {_free("General", parts)[0]: own, **parts} if own else parts
