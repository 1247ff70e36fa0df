"""Traces after calls: the whole call once, its reading beside it, and never at the cost of what is done after a call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from control_plane.services.call_traces import REST_MS, CallTraces
from control_plane.wiring import AfterOutside, trace_sink
from nexus.adapters.memory.sessions import MemoryLeadStore
from nexus.context import working_for
from nexus.domain.call import EndReason
from nexus.domain.call_spans import call_spans
from nexus.domain.lead import Analysis
from nexus.domain.trace import Span
from nexus.errors import ConfigurationError, Unavailable, UpstreamError
from nexus.settings.values import load_settings
from tests.fakes.control_plane import House, finished_call, house, memory_stores, private_of
from tests.fakes.hand_clock import HandClock


@dataclass
class Keeper:
    """A ``TraceSink`` that keeps what it is given, or fails as it is told."""

    spans: list[Span] = field(default_factory=list)
    fails: bool = False
    hangs: bool = False
    asked: int = 0

    async def export(self, spans: Sequence[Span]) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise Unavailable("store_unavailable", "The collector is down.")
        self.spans.extend(spans)

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]


class Leads(MemoryLeadStore):
    """Counts how often it is read, and fails at one of these."""

    def __init__(self, fails_at: int = 0) -> None:
        super().__init__()
        self.fails_at, self.read = fails_at, 0

    async def get(self, tenant_id: str, call_id: str) -> Analysis | None:
        self.read += 1
        if self.read == self.fails_at:
            raise Unavailable("store_unavailable", "Leads cannot be read.")
        return await super().get(tenant_id, call_id)


def home_with(keeper: Keeper) -> House:
    return house(memory_stores(), after=AfterOutside(traces=keeper))


async def test_from_order_to_lead_it_is_one_trace_handed_over_once() -> None:
    keeper = Keeper()
    home = home_with(keeper)
    record = await home.archived(0)
    assert keeper.names == ["call", "wait for caller", "session", "caller turn", "lead"]
    assert len({span.trace_id for span in keeper.spans}) == 1
    lead = keeper.spans[-1]
    assert (lead.parent_id, lead.error) == (keeper.spans[0].span_id, "")
    assert lead.start <= lead.end
    await home.plane.after_call.finish(record.tenant_id, record.id)
    assert len(keeper.spans) == 5, "finished again, nothing is said again"


async def test_a_call_whose_process_died_is_traced_like_any_other() -> None:
    keeper = Keeper()
    await home_with(keeper).archived(0, end_reason=EndReason.LOST, status="failed", turns=())
    assert [(span.name, span.error) for span in keeper.spans if span.error] == [("call", "lost"), ("session", "lost")]
    assert keeper.names[-1] == "lead"


async def test_another_reading_comes_beside_the_first_and_the_call_is_not_told_again() -> None:
    keeper = Keeper()
    home = home_with(keeper)
    record = await home.archived(0)
    with working_for(tenant_id=record.tenant_id):
        await home.plane.after_call.reanalyze(record.tenant_id, record.id)
    await home.plane.after_call.finish(record.tenant_id, record.id)
    first, second = [span for span in keeper.spans if span.name == "lead"]
    assert first.span_id != second.span_id and second.attributes["nexus.lead.reading"] == 2
    assert keeper.names.count("call") == 1


async def test_a_call_is_traced_before_it_can_be_read_and_says_why_it_could_not() -> None:
    keeper = Keeper()
    home = home_with(keeper)
    home.model.failure = UpstreamError("model_failed", "busy")
    record = finished_call(0)
    await home.stores.archive.put(record, private_of(record))
    with pytest.raises(UpstreamError):
        await home.plane.after_call.finish(record.tenant_id, record.id, last_attempt=False)
    assert "session" in keeper.names and "lead" not in keeper.names
    await home.plane.after_call.finish(record.tenant_id, record.id)
    assert (keeper.names.count("session"), keeper.spans[-1].name, keeper.spans[-1].error) == (1, "lead", "model_failed")


async def test_a_failed_second_reading_is_no_second_span_of_the_first() -> None:
    keeper = Keeper()
    home = home_with(keeper)
    record = await home.archived(0)
    home.model.failure = ValueError("bad JSON")
    with working_for(tenant_id=record.tenant_id):
        await home.plane.after_call.reanalyze(record.tenant_id, record.id)
    await home.plane.after_call.finish(record.tenant_id, record.id)
    assert keeper.names.count("lead") == 1


async def test_without_a_keeper_and_with_one_that_is_down_calls_are_finished_alike() -> None:
    keeper = Keeper(fails=True)
    home = home_with(keeper)
    record = await home.archived(0)
    assert await home.stores.leads.get(record.tenant_id, record.id) is not None
    assert keeper.asked == 1, "the lead comes at once after the call: nobody waits for it twice"
    assert home.plane.traces.take_dropped() == len(call_spans(record)) + 1
    assert home.plane.traces.take_dropped() == 0


async def test_a_reading_that_cannot_be_fetched_for_the_trace_keeps_nobody_from_finishing() -> None:
    sound, keeper = Leads(), Keeper()
    await house(replace(memory_stores(), leads=sound), after=AfterOutside(traces=keeper)).archived(0)
    assert keeper.names[-1] == "lead"
    failing, keeper = Leads(fails_at=sound.read - 1), Keeper()  # what finishing gives back is read after it
    home = house(replace(memory_stores(), leads=failing), after=AfterOutside(traces=keeper))
    await home.archived(0)
    assert failing.read == sound.read and "session" in keeper.names and "lead" not in keeper.names


async def test_one_that_hangs_is_left_at_the_deadline_and_asked_again_after_a_rest() -> None:
    keeper, clock, record = Keeper(hangs=True), HandClock(), finished_call(0)
    traces = CallTraces(keeper, clock, deadline_s=0.01)
    await traces.archived(record)
    keeper.hangs = False
    await traces.archived(record)
    assert (keeper.asked, traces.take_dropped()) == (1, 2 * len(call_spans(record)))
    clock.pass_ms(REST_MS)
    await traces.archived(record)
    assert (keeper.asked, len(keeper.spans), traces.take_dropped()) == (2, len(call_spans(record)), 0)


def test_the_settings_name_the_keeper() -> None:
    there = "http://127.0.0.1:4318"
    assert trace_sink(load_settings(None)) is None
    assert trace_sink(load_settings(None, otel_exporter_otlp_endpoint=there, traces="none")) is None
    assert trace_sink(load_settings(None, otel_exporter_otlp_endpoint=there)) is not None
    with pytest.raises(ConfigurationError, match="TRACES=xray is for the functions"):
        trace_sink(load_settings(None, traces="xray"))
