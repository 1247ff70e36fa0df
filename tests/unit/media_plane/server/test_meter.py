"""Figures: each thing that happens is counted once, in lines that CloudWatch takes whole, and the document lists them all."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.server.meter import DROPPED, LagWindow, Meter, Metering
from nexus.adapters.emf import EmfSink, lines
from nexus.clock import Clock
from nexus.domain import metrics
from nexus.domain.call import EndReason
from nexus.domain.journal import Ended, FaultNoted, JournalEntry, Opened, TurnNoted
from nexus.domain.metrics import METRICS, Sample
from nexus.domain.session import AudioFacts, CallFault, StageTimes, Turn
from nexus.ports.calls import CallRef
from tests import emf
from tests.fakes.stored import NOON, call_id
from tests.scenarios.house import House, house, write_tenant
from tests.unit.media_plane.server.test_protection import entry

ROOT = Path(__file__).parents[4]
EMPTY = {"SlotsTotal": 4, "SlotsBusy": 0, "SlotsFree": 4, "SlotUtilisation": 0, "CallsLive": 0, "SocketsRelayed": 0, "CallsOrphaned": 0}
WHICH = CallRef("barber", call_id(1))
OPENED = Opened(
    call_id=call_id(1),
    tenant_id="barber",
    config_hash="h",
    engine="cascade",
    created_at=NOON,
    connected_at=NOON,
    caller_phone="+12125550123",
)


def turn(i: int, e2e: float | None, text: str = "words") -> TurnNoted:
    stages = None if e2e is None else StageTimes(e2e=e2e)
    return TurnNoted(turn=Turn(i=i, role="agent", start_ms=0, end_ms=1, text=text, heard_text=text, stages=stages))


def fault(code: str) -> FaultNoted:
    return FaultNoted(fault=CallFault(code=code, stage="engine", message="the caller said +1 212 555 0123"))


def ended(reason: EndReason = EndReason.CALLER_HANGUP, underruns: int = 0) -> Ended:
    return Ended(at_ms=61_500, reason=reason, audio=AudioFacts(underruns=underruns))


def written(samples: Sequence[Sample]) -> list[emf.Point]:
    said = io.StringIO()
    EmfSink("main", said).write(samples)
    return emf.read(said.getvalue())


async def taken(meter: Meter, tmp_path: Path) -> list[emf.Point]:
    """What the meter has, beside the figures of an empty house."""
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path) as home:
        assert home.calls is not None
        return written(meter.take(home.calls))


async def given_by(meter: Meter, *calls: tuple[EndReason, Sequence[JournalEntry]], folder: Path) -> list[emf.Point]:
    for reason, entries in calls:
        meter.ended(WHICH, entries, reason)
    return await taken(meter, folder)


# --- what is counted ---


async def test_an_ended_call(tmp_path: Path) -> None:
    meter = Meter("proc_1", Clock())
    entries = (OPENED, turn(1, 700.0), turn(1, 800.0), turn(2, None), turn(3, 1200.5), fault("engine_lost"), fault("engine_lost"))
    points = await given_by(meter, (EndReason.CALLER_HANGUP, (*entries, fault("tool_failed"), ended(underruns=3))), folder=tmp_path)
    assert emf.total(points, "CallsEnded") == emf.total(points, "CallsEnded", EndReason="caller_hangup") == 1
    assert [point.value for point in points if point.name == "TurnLatencyMs"] == [800.0, 1200.5], "the last word on each turn"
    assert emf.total(points, "CallSeconds") == 61.5
    assert emf.total(points, "AudioUnderruns") == 3
    assert emf.total(points, "CallsWithErrors") == 1, "the call, not its faults"
    assert (
        emf.total(points, "CallsWithErrors", ErrorCode="engine_lost") == emf.total(points, "CallsWithErrors", ErrorCode="tool_failed") == 1
    )
    assert emf.total(points, "CallsDroppedByUs") == 0
    of_call = next(point.properties for point in points if point.name == "CallSeconds")
    assert (of_call["tenant_id"], of_call["call_id"], of_call["end_reason"], of_call["engine"]) == (
        "barber",
        call_id(1),
        "caller_hangup",
        "cascade",
    )


async def test_nothing_that_was_said_and_no_number_is_in_the_figures(tmp_path: Path) -> None:
    meter, said = Meter("proc_1", Clock()), io.StringIO()
    meter.ended(WHICH, (OPENED, turn(1, 5.0, "my card is 4111"), fault("engine_lost"), ended()), EndReason.CALLER_HANGUP)
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path) as home:
        assert home.calls is not None
        EmfSink("main", said).write(meter.take(home.calls))
    assert "4111" not in said.getvalue() and "555" not in said.getvalue()


@pytest.mark.parametrize("reason", [*EndReason])
async def test_which_ends_are_calls_that_we_dropped(reason: EndReason, tmp_path: Path) -> None:
    points = await given_by(Meter("p", Clock()), (reason, (OPENED, ended(reason))), folder=tmp_path)
    dropped = reason in (EndReason.DRAINING_FORCED, EndReason.LOST, EndReason.INTERNAL_ERROR)
    assert emf.total(points, "CallsDroppedByUs") == dropped == (reason in DROPPED)
    assert emf.total(points, "CallsEnded", EndReason=reason.value) == 1


async def test_a_call_without_a_journal_and_one_without_an_end(tmp_path: Path) -> None:
    lost = (OPENED, turn(1, 5.0))
    points = await given_by(Meter("p", Clock()), (EndReason.LOST, ()), (EndReason.LOST, lost), folder=tmp_path)
    assert emf.total(points, "CallsEnded", EndReason="lost") == 2 == emf.total(points, "CallsDroppedByUs")


async def test_counters_begin_anew_and_refusals_stand_by_code(tmp_path: Path) -> None:
    meter = Meter("p", Clock())
    for code in ("ticket_used", "ticket_used", "draining"):
        meter.refused(code)
    meter.began()
    meter.relay_cut()
    meter.protection_failed()
    meter.heartbeat_failed()
    meter.engine_lags(80.0)
    meter.engine_lags(2_400.0)
    meter.engine_lags(160.0)
    points = await taken(meter, tmp_path)
    expected = {
        "Refused": 3,
        "CallsStarted": 1,
        "CallsDroppedByUs": 1,
        "ProtectionFailures": 1,
        "HeartbeatFailures": 1,
        "EngineLagMs": 2_400,
    }
    assert {name: emf.total(points, name) for name in expected} == expected
    assert (emf.total(points, "Refused", Code="ticket_used"), emf.total(points, "Refused", Code="draining")) == (2, 1)
    again = await taken(meter, tmp_path)
    assert {name: emf.total(again, name) for name in expected} == dict.fromkeys(expected, 0)
    assert {point.name for point in again} >= expected.keys() - {"EngineLagMs"}, "a zero is said too: an alarm needs it"
    assert "EngineLagMs" not in {point.name for point in again}


async def test_slots_and_what_holds_them(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, engine="scripted", engine_slots=4) as home:
        assert home.calls is not None
        meter = Meter("p", Clock())
        assert figures(meter, home) == {
            "SlotsTotal": 4,
            "SlotsBusy": 0,
            "SlotsFree": 4,
            "SlotUtilisation": 0,
            "CallsLive": 0,
            "SocketsRelayed": 0,
            "CallsOrphaned": 0,
        }
        async with home.call() as caller:
            await caller.hears("audio.end")
            home.calls.occupancy.leases([entry(Clock(), 7)])
            busy = figures(meter, home)
            assert busy == {**EMPTY, "SlotsBusy": 2, "SlotsFree": 2, "SlotUtilisation": 50, "CallsLive": 1}
            await caller.hang_up()
        await home.calls.drain(0.1)
        drained = figures(meter, home)
        assert (drained["SlotsTotal"], drained["SlotsFree"]) == (0, 0)
        assert "SlotUtilisation" not in drained, "a process that goes must not hold the fleet's scaling down"


def figures(meter: Meter, home: House) -> dict[str, float]:
    assert home.calls is not None
    names = ("SlotsTotal", "SlotsBusy", "SlotsFree", "SlotUtilisation", "CallsLive", "SocketsRelayed", "CallsOrphaned")
    return {point.name: point.value for point in written(meter.take(home.calls)) if point.name in names}


def test_the_loop_lag_of_a_window() -> None:
    window = LagWindow()
    assert window.take() == {}
    for lag_ms in (*([1.0] * 196), -0.5, 20.0, 400.0, 900.04):
        window.note(lag_ms)
    assert window.take() == {"EventLoopLagMs": 20.0, "EventLoopLagMaxMs": 900.0}
    assert window.take() == {}


async def test_a_reader_that_is_gone_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    write_tenant(tmp_path / "tenants")
    async with house(tmp_path) as home:
        assert home.calls is not None
        await Metering(Meter("p", Clock()), home.calls, EmfSink("main", Gone()), Clock()).write()
    assert "figures could not be written" in caplog.text


async def test_what_nobody_takes_is_bounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    meter = Meter("p", Clock())
    for _ in range(3_000):
        meter.ended(WHICH, (OPENED, ended()), EndReason.CALLER_HANGUP)
    points = await taken(meter, tmp_path)
    assert emf.total(points, "CallsEnded") + emf.total(points, "CallsEnded", EndReason="caller_hangup") == 5_000
    assert "1000 samples of ended calls were forgotten" in caplog.text


# --- how it is written ---


@given(st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=450), st.text(min_size=1, max_size=40))
def test_no_value_is_lost_however_many_there_are(values: list[float], text: str) -> None:
    sample = Sample(Clock().now(), {"TurnLatencyMs": tuple(values), "CallsEnded": 1.0}, properties={"tenant_id": text})
    points = written([sample])
    assert [point.value for point in points if point.name == "TurnLatencyMs"] == values
    assert emf.total(points, "CallsEnded") == 1


def test_what_is_no_number_is_left_out() -> None:
    sample = Sample(Clock().now(), {"EngineLagMs": float("inf"), "CallsEnded": 1.0})
    assert [point.name for point in written([sample])] == ["CallsEnded"]


def test_the_reader_of_these_tests_finds_faults() -> None:
    """What would make CloudWatch drop a figure without a word."""
    (line,) = lines(Sample(Clock().now(), {"CallsEnded": 1.0}, by="lost"), "main")
    emf.read(line + "\n")
    day = timedelta(days=2)
    (old,) = lines(Sample(Clock().now() - day, {"CallsEnded": 1.0}), "main")
    broken = (
        line,
        old + "\n",
        line.replace('"EndReason":"lost"', '"EndReason":""') + "\n",
        line.replace('"EndReason":"lost"', '"EndReason":7') + "\n",
        line.replace('"CallsEnded":1.0', '"CallsEnded":"1"') + "\n",
        line.replace('"CallsEnded":1.0', '"CallsEnded":NaN') + "\n",
        line.replace('"CallsEnded":1.0', f'"CallsEnded":{[1] * 101}') + "\n",
        line.replace('"EndReason"]]', '"call_id"]]') + "\n",
        line.replace('"Count"', '"count"') + "\n",
        line.replace('"StorageResolution":60', '"StorageResolution":10') + "\n",
    )
    for bad in broken:
        with pytest.raises((AssertionError, KeyError)):
            emf.read(bad)


# --- the document ---


def test_the_document_is_the_table() -> None:
    """Mended by ``python -m nexus.domain.metrics``."""
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == metrics.document()


def test_dimensions_are_closed_lists() -> None:
    assert {metric.by for metric in METRICS} == {"", "Code", "EndReason", "ErrorCode"}
    assert len({metric.name for metric in METRICS}) == len(METRICS)
