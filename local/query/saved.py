"""Questions that are asked often, each a file of SQL beside this module."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local.query.statement import names_in
from nexus.errors import RequestRejected

FOLDER = Path(__file__).parent / "saved"


@dataclass(frozen=True, slots=True)
class Saved:
    """One of them.

    Attributes:
        asks: the question in plain words.
        waits_for: the values that it needs.
    """

    name: str
    asks: str
    text: str
    waits_for: tuple[str, ...]


def saved_questions() -> tuple[Saved, ...]:
    """All, by name."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.sql")))


def saved_question(name: str) -> Saved:
    """One by its name. Raises RequestRejected ``invalid_request``."""
    for one in saved_questions():
        if one.name == name:
            return one
    names = ", ".join(one.name for one in saved_questions())
    raise RequestRejected("invalid_request", f"There is no saved question {name!r}; there are {names}. Or write a SELECT.")


def _read(path: Path) -> Saved:
    text = path.read_text(encoding="utf-8")
    return Saved(path.stem, text.splitlines()[0].removeprefix("-- "), text, names_in(text))
