"""Who this task works for: the ids that every log line carries.

The values live in contextvars, so they follow a coroutine through ``await`` and into the tasks it starts, and never leak into
another call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkContext:
    """The ids of the work at hand; empty where there is none."""

    tenant_id: str = ""
    call_id: str = ""
    request_id: str = ""


_current: ContextVar[WorkContext] = ContextVar("nexus_work_context", default=WorkContext())  # noqa: B039  (a frozen value)


def current() -> WorkContext:
    """The ids this task works for."""
    return _current.get()


@contextmanager
def working_for(*, tenant_id: str | None = None, call_id: str | None = None, request_id: str | None = None) -> Iterator[None]:
    """Tag everything inside the block; ids not given are kept from outside it."""
    before = _current.get()
    token = _current.set(
        WorkContext(
            tenant_id=before.tenant_id if tenant_id is None else tenant_id,
            call_id=before.call_id if call_id is None else call_id,
            request_id=before.request_id if request_id is None else request_id,
        )
    )
    try:
        yield
    finally:
        _current.reset(token)
