"""The journals of calls that ended before they had begun."""

from __future__ import annotations

import asyncio
from datetime import datetime

from media_plane.ports.caller import SocketClosed
from nexus.domain.call import EndReason
from nexus.domain.journal import Ended, FaultNoted, JournalEntry, Opened
from nexus.domain.session import CallFault
from nexus.errors import NexusError, ProtocolViolation


def never_began(opened: Opened, error: Exception, now: datetime) -> tuple[JournalEntry, ...]:
    """The socket was gone, or the call could not be made, before its first word."""
    at_ms = round((now - opened.connected_at).total_seconds() * 1000.0, 1)
    if isinstance(error, SocketClosed):
        return opened, Ended(at_ms=at_ms, reason=EndReason.CALLER_LOST)
    code = error.code if isinstance(error, NexusError) else "internal_error"
    fault = FaultNoted(fault=CallFault(code=code, stage="open", message=str(error), at_ms=at_ms))
    if not isinstance(error, NexusError):
        return opened, fault, Ended(at_ms=at_ms, reason=EndReason.INTERNAL_ERROR)
    if code == "session_start_expected":
        return opened, fault, Ended(at_ms=at_ms, reason=EndReason.CONNECT_TIMEOUT)
    reason = EndReason.PROTOCOL_ERROR if isinstance(error, ProtocolViolation) else EndReason.ENGINE_UNAVAILABLE
    return opened, fault, Ended(at_ms=at_ms, reason=reason)


def cut_off(opened: Opened, now: datetime) -> tuple[JournalEntry, ...]:
    """The process had to end before the call had begun."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
    at_ms = round((now - opened.connected_at).total_seconds() * 1000.0, 1)
    return opened, Ended(at_ms=at_ms, reason=EndReason.DRAINING_FORCED)
