"""How a function runs: one event loop for as long as the process lives, since clients and locks belong to the loop that made them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
_runner = asyncio.Runner()


def started() -> None:
    """The cold start is over: what it made stays, and is not looked through for garbage any more."""
    gc.freeze()
    gc.enable()


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Do the work to its end. What it leaves running stands still until the next call."""
    return _runner.run(work)
