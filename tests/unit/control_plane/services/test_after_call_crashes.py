"""The process is killed at every single store operation after a call, once before it and once after it: one effect of each remains."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from control_plane.wiring import AfterOutside, ControlPlane, Stores
from nexus.adapters.aws import AwsStores
from nexus.adapters.memory import MemoryAnalyticsSink
from nexus.context import working_for
from nexus.domain.webhook import EventType
from nexus.errors import UpstreamError
from nexus.ports.sessions import SessionFilter
from tests.fakes.control_plane import House, aws_stores, disk_stores, finished_call, house, memory_stores, private_of
from tests.fakes.dying_stores import Dying, Killed, Line, dying
from tests.fakes.later_clock import LaterClock
from tests.fakes.webhook_receiver import ToldSender

TENANT = "barber_shop"
CALL_EVENTS = (EventType.CALL_ENDED, EventType.CALL_ARTIFACTS_READY, EventType.CALL_ANALYZED)


class Stage:
    """A control plane whose stores and sink can die, with one receiver of all events."""

    def __init__(self, stores: Stores | None = None) -> None:
        self.line, self.sender, self.rows, self.clock = Line(), ToldSender(), MemoryAnalyticsSink(), LaterClock()
        self.plain = stores or memory_stores()
        after = AfterOutside(sink=Dying(self.rows, self.line), sender=self.sender)
        self.home: House = house(dying(self.plain, self.line), clock=self.clock, after=after)
        self.call = finished_call(1)

    async def set(self) -> None:
        with working_for(tenant_id=TENANT):
            await self.home.plane.services.webhooks.create(TENANT, "https://crm.example.com/hook", CALL_EVENTS)
        await self.plain.archive.put(self.call, private_of(self.call))

    @property
    def plane(self) -> ControlPlane:
        return self.home.plane

    async def run(self) -> None:
        """Everything after the call, as a worker does it."""
        await self.plane.after_call.finish(TENANT, self.call.id)
        await self.plane.courier.deliver_due(TENANT)

    async def dies(self, at: int, *, after: bool) -> bool:
        """Run until the chosen operation; whether it was reached."""
        self.line.arm(at, after=after)
        try:
            await self.run()
        except BaseException as error:
            if not _is_killed(error):
                raise
            return True
        finally:
            self.line.disarm()
        return False


def _is_killed(error: BaseException) -> bool:
    return isinstance(error, Killed) or (isinstance(error, BaseExceptionGroup) and error.subgroup(Killed) is not None)


async def assert_one_of_each(stage: Stage) -> None:
    rows = await stage.plain.index.list(TENANT, SessionFilter(), limit=10)
    assert [(row.call_id, row.outcome) for row in rows] == [(stage.call.id, "booked")]
    assert [lead.reading for lead in await stage.plain.leads.list(TENANT, limit=10)] == [1]
    assert [row.reading for row in stage.rows.rows.values()] == [1]
    counted = await stage.plain.documents.list(TENANT, "usage/", limit=50)
    assert sum(one.body["calls"] for one in counted) == 1
    events = await stage.plain.documents.list(TENANT, "event/", limit=50)
    assert sorted(str(one.body["type"]) for one in events) == sorted(CALL_EVENTS)
    deliveries = await stage.plain.documents.list(TENANT, "delivery/", limit=50)
    assert [one.body["state"] for one in deliveries] == ["delivered"] * 3
    assert await stage.plain.documents.list(TENANT, "due/", limit=50) == ()
    assert {body["id"]: body["type"] for _, _, body in stage.sender.sent} == {one.body["id"]: one.body["type"] for one in events}
    assert await stage.plain.documents.list(TENANT, "failed/", limit=50) == ()


@pytest.mark.parametrize("after", [False, True])
async def test_killed_anywhere_and_run_again_there_is_one_effect_of_each(after: bool) -> None:
    for at in count():
        stage = Stage()
        await stage.set()
        died = await stage.dies(at, after=after)
        stage.clock.advance(timedelta(minutes=2))  # what was claimed by the dead process is free again
        await stage.run()
        assert await stage.plane.after_call.catch_up() == 0
        await assert_one_of_each(stage)
        assert len(stage.home.model.seen) <= 2
        if not died:
            assert at > 25, "the operations were hardly all reached"
            return


@pytest.mark.parametrize("after", [False, True])
async def test_on_files_and_sqlite_too(tmp_path: Path, after: bool) -> None:
    for at in range(0, 60, 4):
        stage = Stage(disk_stores(tmp_path / str(at)))
        await stage.set()
        await stage.dies(at, after=after)
        stage.clock.advance(timedelta(minutes=2))
        await stage.run()
        await assert_one_of_each(stage)


@pytest.mark.parametrize("at", range(3, 45, 6))
async def test_on_the_table_of_aws_too(moto_stores: AwsStores, at: int) -> None:
    stage = Stage(aws_stores(moto_stores))
    await stage.set()
    assert await stage.dies(at, after=True) or at > 30
    stage.clock.advance(timedelta(minutes=2))
    await stage.run()
    await assert_one_of_each(stage)


async def test_killed_twice_in_a_row_at_every_pair_of_writes() -> None:
    for first in range(0, 40, 3):
        for second in range(0, 40, 7):
            stage = Stage()
            await stage.set()
            await stage.dies(first, after=True)
            stage.clock.advance(timedelta(minutes=2))
            await stage.dies(second, after=True)
            stage.clock.advance(timedelta(minutes=2))
            await stage.run()
            await assert_one_of_each(stage)


async def test_two_workers_at_once_leave_one_of_each() -> None:
    stage = Stage()
    await stage.set()
    await asyncio.gather(*(stage.plane.after_call.finish(TENANT, stage.call.id) for _ in range(4)))
    await asyncio.gather(*(stage.plane.courier.deliver_due(TENANT) for _ in range(4)))
    await assert_one_of_each(stage)
    assert len(stage.sender.sent) == 3, "each delivery is claimed by one of them"


async def test_a_fault_that_may_pass_goes_back_and_is_done_later() -> None:
    stage = Stage()
    await stage.set()
    stage.home.model.failure = UpstreamError("model_failed", "The model is away.")
    with pytest.raises(UpstreamError):
        await stage.plane.after_call.finish(TENANT, stage.call.id, last_attempt=False)
    (waiting,) = await stage.plain.leads.list(TENANT, limit=10)
    assert waiting.status == "fallback", "what is certain is there at once"
    stage.home.model.failure = None
    await stage.run()
    await assert_one_of_each(stage)


async def test_a_final_fault_leaves_a_failed_item_and_a_redrive_mends_it() -> None:
    stage = Stage()
    await stage.set()
    stage.home.model.failure = UpstreamError("model_failed", "The key is refused.", retryable=False)
    await stage.plane.after_call.finish(TENANT, stage.call.id, last_attempt=False)
    with working_for(tenant_id=TENANT):
        (item,) = await stage.plane.after_call.failures(TENANT)
        assert (item.call_id, item.failure.step, item.failure.code) == (stage.call.id, "lead", "model_failed")
        stage.home.model.failure = None
        assert await stage.plane.after_call.redrive(TENANT, "call_other") == ()
        assert await stage.plane.after_call.redrive(TENANT) == (stage.call.id,)
        assert await stage.plane.after_call.failures(TENANT) == ()
    await stage.run()
    (lead,) = await stage.plain.leads.list(TENANT, limit=10)
    assert (lead.status, lead.reading) == ("done", 2)
    assert [row.analysis_status for row in stage.rows.rows.values()] == ["done"]
    told = [(body["type"], body["data"].get("status")) for _, _, body in stage.sender.sent if body["type"] == "call.analyzed"]
    assert told == [("call.analyzed", "fallback"), ("call.analyzed", "done")] and len(set(stage.sender.ids)) == 4


async def test_another_reading_is_asked_for_once_and_a_failed_one_keeps_the_one_before() -> None:
    stage = Stage()
    await stage.set()
    await stage.run()
    with working_for(tenant_id=TENANT):
        asked = [await stage.plane.after_call.reanalyze(TENANT, stage.call.id) for _ in range(3)]
    assert [one.wanted for one in asked] == [2, 2, 2]
    await stage.run()
    assert [lead.reading for lead in await stage.plain.leads.list(TENANT, limit=10)] == [2]
    assert stage.sender.types.count("call.analyzed") == 2 and stage.sender.types.count("call.ended") == 1
    with working_for(tenant_id=TENANT):
        await stage.plane.after_call.reanalyze(TENANT, stage.call.id)
    stage.home.model.failure = UpstreamError("model_failed", "Away.")
    await stage.run()
    (lead,) = await stage.plain.leads.list(TENANT, limit=10)
    assert (lead.reading, lead.status) == (2, "done"), "a good reading is not given up for a failed one"
    assert stage.sender.types.count("call.analyzed") == 2
