"""Analytics rows in memory."""

from __future__ import annotations

from nexus.domain.analytics import AnalyticsRow


class MemoryAnalyticsSink:
    """Keeps the newest reading of each call in ``rows``."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], AnalyticsRow] = {}

    async def put(self, row: AnalyticsRow) -> None:
        known = self.rows.get((row.tenant_id, row.call_id))
        if known is None or known.reading <= row.reading:
            self.rows[row.tenant_id, row.call_id] = row

    async def erase_tenant(self, tenant_id: str) -> bool:
        self.rows = {key: row for key, row in self.rows.items() if key[0] != tenant_id}
        return True
