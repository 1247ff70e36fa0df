"""How far each archived call has come on its way to a finished one, and which of them failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from nexus.clock import Clock
from nexus.errors import Conflict
from nexus.ports.documents import Change, Delete, Document, DocumentStore, Put

_PAGE = 500
_TRIES = 5


class Step(StrEnum):
    """What is done with an archived call, in this order; ``READ`` stands for reading the archive itself."""

    READ = "read"
    INDEX = "index"
    ENDED = "ended"
    ARTIFACTS = "artifacts"
    LEAD = "lead"
    ROW = "row"
    ANALYZED = "analyzed"


ONCE = (Step.INDEX, Step.ENDED, Step.ARTIFACTS)
EACH_READING = (Step.LEAD, Step.ROW, Step.ANALYZED)


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that failed for good."""

    step: Step
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A call with a failed step, waiting for somebody to redrive it."""

    call_id: str
    failure: Failure
    failed_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one call stands.

    Attributes:
        wanted: the reading that is wanted.
        done: for each step the reading it was last done for.
        version: of the document; 0 where there is none yet.
    """

    tenant_id: str
    call_id: str
    wanted: int = 1
    done: Mapping[Step, int] = field(default_factory=dict)
    version: int = 0

    @property
    def next_step(self) -> Step | None:
        """The first step that is not done; None when the call is finished."""
        once = (step for step in ONCE if step not in self.done)
        each = (step for step in EACH_READING if self.done.get(step, 0) < self.wanted)
        return next(once, None) or next(each, None)


class ProgressBook:
    """Reads and writes it.

    Args:
        documents: where it lies.
        clock: wall time.
    """

    def __init__(self, documents: DocumentStore, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock

    async def get(self, tenant_id: str, call_id: str) -> Progress:
        """Where the call stands; at the beginning, when nothing is known."""
        found = await self._documents.get(tenant_id, f"after/{call_id}")
        return _progress(tenant_id, found) if found else Progress(tenant_id, call_id)

    async def through(self, tenant_id: str) -> frozenset[str]:
        """The calls of a tenant that are finished."""
        finished: set[str] = set()
        after = ""
        while rows := await self._documents.list(tenant_id, "after/", limit=_PAGE, after=after):
            finished |= {row.key.removeprefix("after/") for row in rows if _progress(tenant_id, row).next_step is None}
            after = rows[-1].key
        return frozenset(finished)

    async def mark(self, progress: Progress, step: Step, failure: Failure | None, changes: Sequence[Change]) -> None:
        """Note that a step is done, together with what it has to tell, in one transaction.

        Raises:
            Conflict: somebody else was first; nothing was written.
        """
        done = replace(progress, done={**progress.done, step: progress.wanted})
        failed = (self._put_failure(progress.call_id, failure),) if failure else ()
        await self._documents.write(progress.tenant_id, _put(done), *failed, *changes)

    async def fail(self, tenant_id: str, call_id: str, failure: Failure) -> None:
        """Leave a failed item."""
        await self._documents.write(tenant_id, self._put_failure(call_id, failure))

    async def failures(self, tenant_id: str) -> tuple[FailedCall, ...]:
        """The failed calls of a tenant, oldest first, at most 500."""
        return tuple(_failed(row) for row in await self._documents.list(tenant_id, "failed/", limit=_PAGE))

    async def redo(self, tenant_id: str, item: FailedCall) -> None:
        """Take a failed item away and set its call back to before the step that failed."""
        for _ in range(_TRIES):
            progress = _set_back(await self.get(tenant_id, item.call_id), item.failure.step)
            if await self._tried(tenant_id, _put(progress), Delete(f"failed/{item.call_id}")):
                return

    async def want_another(self, tenant_id: str, call_id: str, known: int) -> Progress:
        """Want one more reading, unless one is wanted already; ``known``: the newest reading there is."""
        for _ in range(_TRIES):
            progress = await self.get(tenant_id, call_id)
            if progress.next_step is not None and (progress.version or not known):
                return progress
            wanted = replace(progress, wanted=max(progress.wanted, known) + 1)
            if await self._tried(tenant_id, _put(wanted)):
                return wanted
        raise Conflict("conflict", "The session is being worked on; try again.")

    async def _tried(self, tenant_id: str, *changes: Change) -> bool:
        try:
            await self._documents.write(tenant_id, *changes)
        except Conflict:
            return False
        return True

    def _put_failure(self, call_id: str, failure: Failure) -> Put:
        body = {"step": failure.step.value, "code": failure.code, "message": failure.message, "failed_at": self._clock.now().isoformat()}
        return Put(f"failed/{call_id}", body)


def _set_back(progress: Progress, step: Step) -> Progress:
    """A lead that could not be read becomes a new reading, since its fallback has been told of; everything else is simply not done."""
    if step is Step.LEAD:
        return replace(progress, wanted=progress.wanted + 1)
    return replace(progress, done={name: reading for name, reading in progress.done.items() if name is not step})


def _put(progress: Progress) -> Put:
    done = {step.value: reading for step, reading in progress.done.items()}
    return Put(f"after/{progress.call_id}", {"wanted": progress.wanted, "done": done}, progress.version)


def _progress(tenant_id: str, row: Document) -> Progress:
    done = {Step(step): int(reading) for step, reading in row.body["done"].items()}
    return Progress(tenant_id, row.key.removeprefix("after/"), int(row.body["wanted"]), done, row.version)


def _failed(row: Document) -> FailedCall:
    body: Mapping[str, Any] = row.body
    failure = Failure(Step(body["step"]), body["code"], body["message"])
    return FailedCall(row.key.removeprefix("failed/"), failure, datetime.fromisoformat(body["failed_at"]))
