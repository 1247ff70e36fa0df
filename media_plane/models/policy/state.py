"""Where a scripted conversation stands, and what the policy answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Asked = Literal["", "slot", "confirm", "change", "offer", "more", "leave"]


@dataclass(frozen=True, slots=True)
class State:
    """Folded from the messages alone.

    ``task`` is the tool being prepared with ``values``. ``asked`` says what the last question was about: a ``slot`` (named in ``slot``),
    agreement (``confirm``), what to ``change``, whether to go on with an ``offer`` (the tool in ``offer``), anything ``more``, or whether
    to ``leave``. ``known`` are values the caller gave at any time, by kind of slot and by name. ``misses`` counts answers in a row that
    could not be used.
    """

    task: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    asked: Asked = ""
    slot: str = ""
    offer: str = ""
    known: Mapping[str, Any] = field(default_factory=dict)
    misses: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What to say, or the tool to run, with the state afterwards. ``duty``: no task, and yet nothing that a voice beside could say as
    well."""

    state: State
    text: str = ""
    tool: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    hang_up: bool = False
    duty: bool = False
