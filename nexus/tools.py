"""The tool contract: the one module of ours that a tenant's ``tools.py`` imports.

A tool is a class with ``name``, ``description``, ``parameters`` and ``async execute(**arguments)``. Class attributes and properties
are both accepted, and so is the original's shorthand ``parameters = {"time": "string"}``. ``execute`` may also take a parameter
named ``context``: it is then given a ``ToolContext``.

A tool runs in its tenant's child process: it has no credentials, no sight of other tenants, a time limit and a memory limit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol

JsonSchema = Mapping[str, Any]


class SlotTaken(Exception):
    """``ToolStorage.put_new`` found the key already written by somebody else."""


class ToolRefusal(Exception):
    """Raised by a tool that did nothing: the text is the sentence the agent says about it ("That time is taken, but ten is free").

    Unlike an answer that is returned, a refusal is not remembered: the same request later in the call is tried anew.
    """


@dataclass(frozen=True, slots=True)
class Stored:
    """A value in the tool's store. ``version`` grows by one with each write."""

    key: str
    value: Any
    version: int


class ToolStorage(Protocol):
    """The tenant's small key-value store. Keys are text up to 256 characters, values JSON up to 64 KiB."""

    async def get(self, key: str) -> Stored | None:
        """The value, or None."""
        ...

    async def put(self, key: str, value: Any) -> Stored:
        """Write, whatever was there."""
        ...

    async def put_new(self, key: str, value: Any) -> Stored:
        """Write only where nothing is; two callers at once cannot both succeed.

        Raises:
            SlotTaken: the key exists already.
        """
        ...

    async def list(self, prefix: str) -> list[Stored]:
        """Everything whose key begins with ``prefix``, by key; at most 1,000."""
        ...

    async def delete(self, key: str) -> None:
        """Remove; silent where nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may know of the call it works for.

    ``effect_id`` is the same whenever the same effect is asked for again within a call. ``now`` is the tenant's wall time, with its
    timezone. ``settings`` is ``tool_settings`` of the configuration.
    """

    tenant_id: str
    call_id: str
    effect_id: str
    now: datetime
    timezone: str
    settings: Mapping[str, Any]
    store: ToolStorage


class BaseTool(ABC):
    """Base of every tenant tool.

    ``effect`` says whether the tool only looks things up (``read``) or changes the world (``write``). A write with the same arguments
    happens once per call: asked again, its first answer is given again. The default is the safe one.

    ``undoes`` names the write tool whose effects this one takes back (a cancellation): once it has succeeded, the same booking may be
    asked for again in this call. ``ends_call``: the call ends politely once what the tool's success gave to say has been heard.

    ``timeout_s`` is the tool's own deadline, at most 60 (None: ``limits.tool_timeout_s``). ``retries`` is how often a failed
    ``read`` is tried again, at most 3, after 0.2, 0.4 and 0.8 s; a ``write`` is never tried again by itself.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    parameters: ClassVar[JsonSchema]
    effect: ClassVar[Literal["read", "write"]] = "write"
    undoes: ClassVar[str] = ""
    ends_call: ClassVar[bool] = False
    timeout_s: ClassVar[float | None] = None
    retries: ClassVar[int] = 0

    @abstractmethod
    async def execute(self, **arguments: Any) -> Any:
        """Do it, and return what the agent can say about it: a sentence, or JSON data."""
