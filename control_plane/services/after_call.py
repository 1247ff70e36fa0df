"""What happens once a call is archived: it becomes findable, its lead is read, it becomes a row for analytics, and receivers are told.

The steps are done in one order, on one machine and in Lambda alike, each at least once with one effect. How far a call has come stands in
the document ``after/<call>``; an event is written in the same transaction as the mark that its step is done. So a process that dies
anywhere leaves a call that can be finished by another, and nothing is told twice.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from control_plane.ports import AnalyticsSink
from control_plane.services.call_events import analyzed, artifacts_ready, ended
from control_plane.services.call_traces import CallTraces
from control_plane.services.leads import Assignment, LeadDesk
from control_plane.services.outbox import Outbox
from control_plane.services.progress import FailedCall, Failure, Progress, ProgressBook, Step
from control_plane.services.sessions import SessionDesk
from control_plane.services.usage import UsageBook
from nexus.context import working_for
from nexus.domain.analytics import analytics_row
from nexus.domain.ids import check_tenant_id
from nexus.domain.lead import Analysis
from nexus.domain.session import SessionRecord
from nexus.errors import Conflict, NexusError, NotFound, StoreError, Unavailable
from nexus.ports.documents import Change
from nexus.ports.sessions import LeadStore, SessionArchive
from nexus.ports.tenants import TenantStore

_OWN_STORES = (Step.INDEX, Step.ENDED, Step.ARTIFACTS, Step.ANALYZED)
_log = logging.getLogger("nexus.after_call")
Wake = Callable[[str, str], Awaitable[None]]


async def unheard(tenant_id: str, call_id: str) -> None:
    """Nobody waits for calls to finish; the next start finds them."""


@dataclass(frozen=True, slots=True)
class CallStores:
    """Where calls, their leads and their tenants' wishes come from."""

    archive: SessionArchive
    leads: LeadStore
    tenants: TenantStore


@dataclass(frozen=True, slots=True)
class CallDesks:
    """Who does each step."""

    sessions: SessionDesk
    leads: LeadDesk
    outbox: Outbox
    sink: AnalyticsSink
    usage: UsageBook
    traces: CallTraces


class AfterCall:
    """Finishes archived calls; every step may be repeated.

    Args:
        stores: where calls come from.
        desks: who does each step.
        progress: how far each call has come.
        wake: hands a call to whoever finishes calls (a queue), to be done soon.
    """

    def __init__(self, stores: CallStores, desks: CallDesks, progress: ProgressBook, wake: Wake = unheard) -> None:
        self._stores = stores
        self._desks = desks
        self._progress = progress
        self._wake = wake

    async def finish(self, tenant_id: str, call_id: str, *, last_attempt: bool = True) -> Analysis | None:
        """Do every step that is not done; the call's analysis, or None where it cannot have one.

        Cancelled or broken off, it can be begun again: nothing is done twice.

        Args:
            last_attempt: whether nobody will call again, so that a fault that may pass is final too.

        Raises:
            NotFound: ``session_not_found``.
            NexusError: a fault that may pass (``retryable``): call again later. A final one leaves a failed item and raises nothing.
        """
        with working_for(tenant_id=tenant_id, call_id=call_id):
            try:
                record = await self._stores.archive.get(tenant_id, call_id)
            except NotFound:
                raise
            except NexusError as error:
                if error.retryable:
                    raise
                await self._progress.fail(tenant_id, call_id, Failure(Step.READ, error.code, error.public_message))
                return None
            await self._run(record, last_attempt)
            return await self._stores.leads.get(tenant_id, call_id)

    async def reanalyze(self, tenant_id: str, call_id: str) -> Progress:
        """Ask for another reading of a call. Asked again before it is done, it is the same one. Raises NotFound ``session_not_found``."""
        await self._desks.sessions.record(tenant_id, call_id)
        known = await self._stores.leads.get(tenant_id, call_id)
        progress = await self._progress.want_another(tenant_id, call_id, known.reading if known else 0)
        await self._wake(tenant_id, call_id)
        return progress

    async def failures(self, tenant_id: str) -> tuple[FailedCall, ...]:
        """The tenant's calls of which a step failed for good, oldest first."""
        return await self._progress.failures(check_tenant_id(tenant_id))

    async def redrive(self, tenant_id: str, call_id: str = "") -> tuple[str, ...]:
        """Begin the failed calls of a tenant again (or the one named) where they failed; which they were."""
        redriven = []
        for item in await self.failures(tenant_id):
            if call_id in ("", item.call_id):
                await self._progress.redo(tenant_id, item)
                await self._wake(tenant_id, item.call_id)
                redriven.append(item.call_id)
        return tuple(redriven)

    async def catch_up(self) -> int:
        """Finish every archived call that is not finished (for start-up); how many there were.

        One that cannot be finished is logged and left for the next start.
        """
        finished = 0
        for tenant_id in await self._stores.tenants.list_ids():
            with working_for(tenant_id=tenant_id):
                through = await self._progress.through(tenant_id)
                calls = await self._stores.archive.list_calls(tenant_id)
            for call_id in calls:
                if call_id not in through:
                    finished += await self._caught_up(tenant_id, call_id)
        return finished

    async def _caught_up(self, tenant_id: str, call_id: str) -> bool:
        try:
            await self.finish(tenant_id, call_id)
        except NexusError as error:
            _log.warning("call %s of %s cannot be finished: %s", call_id, tenant_id, error)
            return False
        return True

    async def _run(self, record: SessionRecord, last_attempt: bool) -> None:
        while True:
            progress = await self._progress.get(record.tenant_id, record.id)
            step = progress.next_step
            if step is None:
                return
            failure, changes = await self._attempt(step, record, progress, last_attempt)
            try:
                await self._progress.mark(progress, step, failure, changes)
            except Conflict:
                continue  # another process finishes the same call: go on from where it is
            await self._trace(step, record, progress)

    async def _attempt(
        self, step: Step, record: SessionRecord, progress: Progress, last_attempt: bool
    ) -> tuple[Failure | None, tuple[Change, ...]]:
        try:
            return await self._do(step, record, progress, last_attempt)
        except NexusError as error:
            if error.retryable and not last_attempt:
                raise
            if step in _OWN_STORES:  # there is nowhere to leave a failed item either
                raise Unavailable("store_unavailable", f"The call's step {step} could not be written; finish the call again.") from error
            _log.error("step %s of call %s failed for good: %s", step, record.id, error)
            return Failure(step, error.code, error.public_message), ()

    async def _do(
        self, step: Step, record: SessionRecord, progress: Progress, last_attempt: bool
    ) -> tuple[Failure | None, tuple[Change, ...]]:
        match step:
            case Step.INDEX:
                await self._desks.usage.count(record)
                known = await self._stores.leads.get(record.tenant_id, record.id)
                await self._desks.sessions.index(record, outcome=known.lead.call_outcome if known else "")
            case Step.ENDED:
                return None, await self._desks.outbox.changes(ended(record))
            case Step.ARTIFACTS:
                return None, await self._desks.outbox.changes(artifacts_ready(record))
            case Step.LEAD:
                return await self._read(record, progress, last_attempt), ()
            case Step.ROW:
                analysis = await self._stores.leads.get(record.tenant_id, record.id)
                await self._desks.sink.put(analytics_row(record, analysis))
            case Step.ANALYZED:
                return None, await self._told(record, progress)
            case Step.READ:
                pass
        return None, ()

    async def _read(self, record: SessionRecord, progress: Progress, last_attempt: bool) -> Failure | None:
        private = await self._stores.archive.get_private(record.tenant_id, record.id)
        assignment = Assignment(await self._wanted_fields(record.tenant_id), progress.wanted, last_attempt)
        analysis = await self._desks.leads.extract(record, private, assignment)
        await self._desks.sessions.index(record, outcome=analysis.lead.call_outcome)
        if analysis.status == "done" and analysis.reading >= progress.wanted:
            return None
        return Failure(Step.LEAD, analysis.error or "model_failed", "The model could not read the call.")

    async def _told(self, record: SessionRecord, progress: Progress) -> tuple[Change, ...]:
        analysis = await self._stores.leads.get(record.tenant_id, record.id)
        if analysis is None or analysis.reading < progress.wanted:
            return ()
        return await self._desks.outbox.changes(analyzed(record, analysis))

    async def _trace(self, step: Step, record: SessionRecord, progress: Progress) -> None:
        """Once a call and once a reading, by whoever marked the step: the record's spans early, whatever becomes of its reading."""
        traces = self._desks.traces
        if step is Step.ARTIFACTS:
            await traces.archived(record)
        elif step is Step.ANALYZED and traces.wanted:
            try:
                analysis = await self._stores.leads.get(record.tenant_id, record.id)
            except StoreError as error:
                _log.warning("the reading of call %s is missing in its trace: %s", record.id, error)
                return
            if analysis is not None and analysis.reading >= progress.wanted:
                await traces.read(analysis)

    async def _wanted_fields(self, tenant_id: str) -> Mapping[str, JsonValue]:
        try:
            return (await self._stores.tenants.get(tenant_id)).lead_fields
        except NexusError as error:
            if error.retryable:
                raise
            return {}  # the tenant is gone or its configuration broken: the call is read all the same
