"""Lines for living calls: what the agent is to say, or to know, ordered from outside the call."""

from __future__ import annotations

from nexus.domain.call import LineKind, LineMode, LineOrder
from nexus.domain.ids import check_call_id, check_tenant_id
from nexus.errors import RequestRejected
from nexus.ports.calls import CallLines
from nexus.ports.ids import Ids


class LineDesk:
    """Leaves lines for the process that holds a call; it takes them within two seconds."""

    def __init__(self, lines: CallLines, ids: Ids) -> None:
        self._lines = lines
        self._ids = ids

    async def order(self, tenant_id: str, call_id: str, kind: LineKind, text: str, mode: LineMode = "next") -> LineOrder:
        """Leave one.

        Raises:
            RequestRejected: ``invalid_request``: there is nothing to read in it.
            NotFound, Conflict, QuotaExceeded: like ``CallLines.request_line``.
        """
        words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        if not words:
            raise RequestRejected("invalid_request", "text holds nothing that can be read aloud.")
        order = LineOrder(order_id=self._ids.new("order"), kind=kind, text=words, mode=mode)
        await self._lines.request_line(check_tenant_id(tenant_id), check_call_id(call_id), order)
        return order
