"""Hands the traces of calls to whoever keeps them; never at the cost of what is done after a call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from control_plane.ports import TraceSink
from nexus.clock import Clock
from nexus.domain.call_spans import call_spans, lead_span
from nexus.domain.lead import Analysis
from nexus.domain.session import SessionRecord
from nexus.domain.trace import Span
from nexus.errors import NexusError

EXPORT_S = 3.0
"""So long finishing a call waits for the keeper of traces."""
REST_MS = 30_000.0
"""After it failed, nobody asks it for so long: calls do not wait in line for something that is down."""
_log = logging.getLogger("nexus.traces")


class CallTraces:
    """Each method returns within ``EXPORT_S`` and never raises; what could not be handed over is counted and dropped: the record is the
    truth, and a trace can be made of it again.

    Args:
        sink: keeps them; None: nobody does.
        clock: how long it is left alone after a failure.
    """

    def __init__(self, sink: TraceSink | None, clock: Clock, *, deadline_s: float = EXPORT_S) -> None:
        self._sink = sink
        self._clock = clock
        self._deadline_s = deadline_s
        self._resting_until_ms = 0.0
        self._dropped = 0

    @property
    def wanted(self) -> bool:
        """Whether anybody keeps traces."""
        return self._sink is not None

    def take_dropped(self) -> int:
        """How many spans were dropped since this was asked before."""
        dropped, self._dropped = self._dropped, 0
        return dropped

    async def archived(self, record: SessionRecord) -> None:
        """A call is over and archived."""
        if self._sink is not None:
            await self._export(self._sink, call_spans(record))

    async def read(self, analysis: Analysis) -> None:
        """A call has been read."""
        if self._sink is not None:
            await self._export(self._sink, (lead_span(analysis),))

    async def _export(self, sink: TraceSink, spans: Sequence[Span]) -> None:
        if self._clock.monotonic_ms() < self._resting_until_ms:
            self._dropped += len(spans)
            return
        try:
            async with asyncio.timeout(self._deadline_s):
                await sink.export(spans)
        except (NexusError, TimeoutError) as error:
            self._resting_until_ms = self._clock.monotonic_ms() + REST_MS
            self._dropped += len(spans)
            why = error if isinstance(error, NexusError) else f"no answer within {self._deadline_s:g} s"
            _log.warning("%s spans of a trace dropped, and all of the next %.0f s: %s", len(spans), REST_MS / 1000, why)
