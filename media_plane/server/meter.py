"""Counts what happens in this process and gives it as samples, every ten seconds and at each call's end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from math import ceil
from typing import Protocol

from media_plane.server.calls import CallServer
from nexus.clock import Clock
from nexus.domain.call import EndReason
from nexus.domain.journal import Ended, FaultNoted, JournalEntry, Opened, TurnNoted
from nexus.domain.metrics import Sample
from nexus.ports.calls import CallRef

EVERY_MS = 10_000.0
DROPPED = frozenset({EndReason.DRAINING_FORCED, EndReason.LOST, EndReason.INTERNAL_ERROR})
"""Ends that neither a party nor a rule of the tenant wanted, nor an engine caused."""
_MOST_WAITING = 5_000
"""Samples of ended calls that wait for the next writing; older ones are forgotten, and said so."""
_WAKE_S = 0.05
_log = logging.getLogger("nexus.metrics")


class MetricSink(Protocol):
    """Where samples go."""

    def write(self, samples: Iterable[Sample]) -> None:
        """May wait; called from a thread. Raises OSError."""
        ...


class LagWindow:
    """How late the event loop woke, since last asked. Pure."""

    def __init__(self) -> None:
        self._lags_ms: list[float] = []

    def note(self, lag_ms: float) -> None:
        """It woke so late."""
        self._lags_ms.append(max(0.0, lag_ms))

    def take(self) -> dict[str, float]:
        """The figures of the window, which begins anew; empty for an empty one."""
        lags, self._lags_ms = sorted(self._lags_ms), []
        if not lags:
            return {}
        return {"EventLoopLagMs": round(lags[ceil(len(lags) * 0.99) - 1], 1), "EventLoopLagMaxMs": round(lags[-1], 1)}


class Meter:
    """Implements ``CallNews``. ``take`` gives what has gathered since it was asked before.

    Args:
        process_id: on every sample, as a property.
    """

    def __init__(self, process_id: str, clock: Clock) -> None:
        self._process_id = process_id
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._ended: deque[Sample] = deque(maxlen=_MOST_WAITING)
        self._forgotten = 0
        self._engine_lag_ms: float | None = None
        self.loop_lag = LagWindow()

    # --- what happens ---

    def began(self) -> None:
        """See ``CallNews.began``."""
        self._counts["CallsStarted"] += 1

    def ended(self, which: CallRef, entries: Sequence[JournalEntry], reason: EndReason) -> None:
        """See ``CallNews.ended``."""
        if reason in DROPPED:
            self._counts["CallsDroppedByUs"] += 1
        samples = _call_samples(self._clock, which, entries, reason, self._process_id)
        self._forgotten += max(0, len(self._ended) + len(samples) - _MOST_WAITING)
        self._ended.extend(samples)

    def relay_cut(self) -> None:
        """See ``CallNews.relay_cut``."""
        self._counts["CallsDroppedByUs"] += 1

    def refused(self, code: str) -> None:
        """See ``CallNews.refused``."""
        self._refused[code] += 1

    def protection_failed(self) -> None:
        """See ``CallNews.protection_failed``."""
        self._counts["ProtectionFailures"] += 1

    def heartbeat_failed(self) -> None:
        """See ``CallNews.heartbeat_failed``."""
        self._counts["HeartbeatFailures"] += 1

    def engine_lags(self, lag_ms: float) -> None:
        """See ``CallNews.engine_lags``."""
        self._engine_lag_ms = max(lag_ms, self._engine_lag_ms or 0.0)

    # --- what is given ---

    def take(self, calls: CallServer) -> list[Sample]:
        """The samples of the last ten seconds."""
        now, about = self._clock.now(), {"process_id": self._process_id}
        counted = {
            name: float(self._counts[name]) for name in ("CallsStarted", "CallsDroppedByUs", "ProtectionFailures", "HeartbeatFailures")
        }
        values = {**_slots(calls), **self.loop_lag.take(), **counted, "Refused": float(self._refused.total())}
        if self._engine_lag_ms is not None:
            values["EngineLagMs"] = round(self._engine_lag_ms, 1)
        samples = [Sample(now, values, properties={**about, "draining": calls.draining})]
        samples += [Sample(now, {"Refused": float(count)}, by=code, properties=about) for code, count in sorted(self._refused.items())]
        samples += self._ended
        if self._forgotten:
            _log.error("%s samples of ended calls were forgotten: nobody took them in time", self._forgotten)
        self._counts.clear()
        self._refused.clear()
        self._ended.clear()
        self._forgotten, self._engine_lag_ms = 0, None
        return samples


def _slots(calls: CallServer) -> dict[str, float]:
    total = 0 if calls.draining else calls.slots
    busy = calls.occupancy.calls + calls.occupancy.waiting
    figures = {
        "SlotsTotal": float(total),
        "SlotsBusy": float(busy),
        "SlotsFree": float(max(0, total - busy)),
        "CallsLive": float(calls.occupancy.calls),
        "SocketsRelayed": float(calls.occupancy.relays),
        "CallsOrphaned": float(calls.orphans),
    }
    return {**figures, "SlotUtilisation": round(busy / total * 100, 1)} if total else figures


def _call_samples(clock: Clock, which: CallRef, entries: Sequence[JournalEntry], reason: EndReason, process_id: str) -> list[Sample]:
    """One ended call: for the fleet, by its end, and by each code of its faults."""
    now = clock.now()
    ended = next((entry for entry in reversed(entries) if isinstance(entry, Ended)), None)
    opened = next((entry for entry in entries if isinstance(entry, Opened)), None)
    about = {
        "tenant_id": which.tenant_id,
        "call_id": which.call_id,
        "end_reason": reason.value,
        "engine": opened.engine if opened else "",
        "process_id": process_id,
    }
    codes = sorted({entry.fault.code for entry in entries if isinstance(entry, FaultNoted)})
    duration_ms = ended.at_ms if ended else (now - opened.connected_at).total_seconds() * 1000 if opened else 0.0
    values: dict[str, float | tuple[float, ...]] = {
        "CallsEnded": 1.0,
        "CallSeconds": round(max(0.0, duration_ms) / 1000, 1),
        "AudioUnderruns": float(ended.audio.underruns if ended else 0),
        "CallsWithErrors": float(bool(codes)),
    }
    if latencies := _latencies(entries):
        values["TurnLatencyMs"] = latencies
    return [
        Sample(now, values, properties=about),
        Sample(now, {"CallsEnded": 1.0}, by=reason.value, properties=about),
        *(Sample(now, {"CallsWithErrors": 1.0}, by=code, properties=about) for code in codes),
    ]


def _latencies(entries: Sequence[JournalEntry]) -> tuple[float, ...]:
    turns = {entry.turn.i: entry.turn for entry in entries if isinstance(entry, TurnNoted)}
    return tuple(turn.stages.e2e for turn in turns.values() if turn.stages is not None)


class Metering:
    """Watches the event loop and writes what the meter has, every ten seconds of the clock and once at the end."""

    def __init__(self, meter: Meter, calls: CallServer, sink: MetricSink, clock: Clock) -> None:
        self._meter = meter
        self._calls = calls
        self._sink = sink
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch(), name="event loop lag")
            while True:
                await self._clock.sleep_ms(EVERY_MS)
                await self.write()

    async def write(self) -> None:
        """What has gathered, now. Never raises for what the sink does."""
        try:
            await asyncio.to_thread(self._sink.write, self._meter.take(self._calls))
        except OSError as error:  # nobody reads any more: figures are no reason to end calls
            _log.error("figures could not be written: %s", error)

    async def _watch(self) -> None:
        while True:
            before_s = time.monotonic()
            await asyncio.sleep(_WAKE_S)
            self._meter.loop_lag.note((time.monotonic() - before_s - _WAKE_S) * 1000)
