"""Work that outlives a request: named steps, each of which may be repeated, done one after another until all are."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import ValidationError

from nexus.clock import Clock
from nexus.context import working_for
from nexus.domain.call import Value
from nexus.domain.tenancy import PLATFORM
from nexus.errors import Conflict, NexusError, NotFound, StoreError
from nexus.ports.documents import Delete, Document, DocumentStore, Put
from nexus.ports.ids import Ids

KEPT = timedelta(days=30)
"""How long a finished job can still be looked at."""
_OPEN_PREFIX = "open-job/"
_PAGE = 100
_JOB_ID = re.compile(r"job_[0-9A-Z]{26}")
_log = logging.getLogger("nexus.jobs")


class Job(Value):
    """One job of one tenant.

    Attributes:
        steps: the names of all steps, in order.
        done: those that are finished, a beginning of ``steps``.
        error: the code of what stopped the last try; the job goes on by itself.
    """

    schema_version: int = 1
    id: str
    kind: str
    tenant_id: str
    state: Literal["running", "succeeded"] = "running"
    steps: tuple[str, ...]
    done: tuple[str, ...] = ()
    error: str = ""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a job. ``run`` may be begun any number of times, and gives False when it must be asked again in a while."""

    name: str
    run: Callable[[Job], Awaitable[bool]]


class JobDesk:
    """Begins, shows and carries out jobs. They lie among the operator's documents, since a tenant's own are deleted with it.

    Args:
        documents: where jobs lie.
        ids: gives job ids.
        clock: wall time.
        kinds: the steps of each kind of job.
    """

    def __init__(self, documents: DocumentStore, ids: Ids, clock: Clock, kinds: Mapping[str, tuple[Step, ...]]) -> None:
        self._documents = documents
        self._ids = ids
        self._clock = clock
        self._kinds = kinds

    async def start(self, kind: str, tenant_id: str) -> Job:
        """Write the job down; ``run_open`` carries it out."""
        now = self._clock.now()
        steps = tuple(step.name for step in self._kinds[kind])
        job = Job(id=self._ids.new("job"), kind=kind, tenant_id=tenant_id, steps=steps, created_at=now, updated_at=now)
        await self._documents.write(PLATFORM, Put(_key(job.id), job.model_dump(mode="json"), expected=0), Put(_open_key(job.id), {}))
        return job

    async def get(self, tenant_id: str, job_id: str) -> Job:
        """A job of the tenant. Raises NotFound ``job_not_found``."""
        found = await self._documents.get(PLATFORM, _key(job_id)) if _JOB_ID.fullmatch(job_id) else None
        job = None if found is None else _job(found)
        if job is None or job.tenant_id != tenant_id:
            raise NotFound("job_not_found", "There is no such job for this tenant.")
        return job

    async def run_open(self) -> int:
        """Carry every unfinished job as far as it goes now; how many are still unfinished.

        Any number of processes may do so at once: steps may be repeated.
        """
        left = 0
        after = ""
        while page := await self._documents.list(PLATFORM, _OPEN_PREFIX, limit=_PAGE, after=after):
            for mark in page:
                left += not await self._finished(mark.key.removeprefix(_OPEN_PREFIX))
            after = page[-1].key
        return left

    async def _finished(self, job_id: str) -> bool:
        try:
            found = await self._documents.get(PLATFORM, _key(job_id))
            if found is None:
                await self._documents.write(PLATFORM, Delete(_open_key(job_id)))
                return True
            job = _job(found)
            if job.kind not in self._kinds:
                return False  # of a newer release
            with working_for(tenant_id=job.tenant_id):
                return await self._carried_out(job, found.version)
        except Conflict:
            return False  # another process carries out the same job
        except NexusError as error:
            _log.warning("job %s stopped and is tried again: %s", job_id, error)
            await self._note(job_id, error.code)
            return False

    async def _carried_out(self, job: Job, version: int) -> bool:
        for step in self._kinds[job.kind][len(job.done) :]:
            if not await step.run(job):
                return False
            job = job.model_copy(update={"done": (*job.done, step.name), "error": "", "updated_at": self._clock.now()})
            (version,) = await self._documents.write(PLATFORM, Put(_key(job.id), job.model_dump(mode="json"), expected=version))
        over = job.model_copy(update={"state": "succeeded"}).model_dump(mode="json")
        until = self._clock.now() + KEPT
        await self._documents.write(PLATFORM, Put(_key(job.id), over, expected=version, expires_at=until), Delete(_open_key(job.id)))
        _log.info("job %s (%s) is done", job.id, job.kind)
        return True

    async def _note(self, job_id: str, error: str) -> None:
        """Remember what stopped the job; where that cannot be written, it stops again."""
        try:
            found = await self._documents.get(PLATFORM, _key(job_id))
            if found is not None:
                job = _job(found).model_copy(update={"error": error, "updated_at": self._clock.now()})
                await self._documents.write(PLATFORM, Put(found.key, job.model_dump(mode="json"), expected=found.version))
        except StoreError as failure:
            _log.warning("job %s: its error could not be noted: %s", job_id, failure)


def _key(job_id: str) -> str:
    return f"job/{job_id}"


def _open_key(job_id: str) -> str:
    return f"{_OPEN_PREFIX}{job_id}"


def _job(found: Document) -> Job:
    try:
        return Job.model_validate(found.body)
    except ValidationError as error:
        raise StoreError("store_unavailable", f"{found.key} cannot be read by this release.") from error
