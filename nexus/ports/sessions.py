"""What is kept of finished calls: the archive, its index, the sound, the leads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from nexus.domain.call import EndReason, RecordStatus
from nexus.domain.lead import Analysis
from nexus.domain.session import PrivateTranscript, SessionRecord, SessionRow


class SessionArchive(Protocol):
    """Finished calls, immutable; and their private transcripts, until they expire."""

    async def put(self, record: SessionRecord, private: PrivateTranscript) -> None:
        """Archive both, atomically for a reader. The same call again is silent and changes nothing."""
        ...

    async def get(self, tenant_id: str, call_id: str) -> SessionRecord:
        """Raises NotFound ``session_not_found``."""
        ...

    async def get_private(self, tenant_id: str, call_id: str) -> PrivateTranscript | None:
        """None when it never was or has expired."""
        ...

    async def list_calls(self, tenant_id: str) -> tuple[str, ...]:
        """Every archived call id of the tenant, oldest first (for rebuilding the index)."""
        ...

    async def delete_expired(self, now: datetime) -> int:
        """Delete private transcripts whose ``delete_after`` has passed; how many."""
        ...


class Recordings(Protocol):
    """The sound of finished calls: one Ogg Opus file a call, until it expires. Nobody but the holder of an address can listen."""

    async def put(self, tenant_id: str, call_id: str, file: Path, *, delete_after: datetime) -> None:
        """Keep a copy of the file, which stays where it is. The same call again is silent and changes nothing."""
        ...

    async def address(self, tenant_id: str, call_id: str, *, now: datetime, lifetime_s: int) -> str:
        """From where anybody can read it for so long, byte ranges too: a URL, or a path (``/…``) at the API's own host.

        Raises:
            NotFound: ``recording_not_found``: it never was, or has expired.
        """
        ...

    async def delete_expired(self, now: datetime) -> int:
        """Delete recordings whose ``delete_after`` has passed; how many."""
        ...


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions to list; None means any."""

    status: RecordStatus | None = None
    end_reason: EndReason | None = None
    outcome: str | None = None
    started_from: datetime | None = None
    started_before: datetime | None = None
    min_duration_ms: float | None = None
    below_duration_ms: float | None = None
    config_version: int | None = None
    test: bool | None = None
    metadata: tuple[tuple[str, str], ...] = ()


class SessionIndex(Protocol):
    """Where sessions are found."""

    async def put(self, row: SessionRow) -> None:
        """Write or replace the row of one call."""
        ...

    async def list(self, tenant_id: str, where: SessionFilter, *, limit: int, before: str = "") -> tuple[SessionRow, ...]:
        """Newest first by call id, at most ``limit``, only ids that sort below ``before`` (when given)."""
        ...

    async def has(self, tenant_id: str, call_id: str) -> bool:
        """Whether the call is in the index."""
        ...


class LeadStore(Protocol):
    """Analyses of calls: at most one current one a call, replaced by a newer reading."""

    async def put(self, analysis: Analysis) -> None:
        """Write or replace the analysis of one call."""
        ...

    async def get(self, tenant_id: str, call_id: str) -> Analysis | None:
        """The analysis of a call, or None."""
        ...

    async def list(
        self, tenant_id: str, *, limit: int, before: str = "", outcome: str = "", follow_up: bool | None = None
    ) -> tuple[Analysis, ...]:
        """Newest first by call id, at most ``limit``, only calls that sort below ``before`` (when given)."""
        ...
