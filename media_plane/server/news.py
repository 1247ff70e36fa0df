"""What happens to the calls of a process, told to whoever counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from nexus.domain.call import EndReason
from nexus.domain.journal import JournalEntry
from nexus.ports.calls import CallRef


class CallNews(Protocol):
    """Told at once, from the event loop; must neither wait nor raise."""

    def began(self) -> None:
        """A caller was let in."""
        ...

    def ended(self, which: CallRef, entries: Sequence[JournalEntry], reason: EndReason) -> None:
        """A call is recorded and its seat given back, by this process and no other: one of its own, or one whose process died."""
        ...

    def relay_cut(self) -> None:
        """A socket that was passed on to another process was cut by this one, which had to go."""
        ...

    def refused(self, code: str) -> None:
        """A socket was refused."""
        ...

    def heartbeat_failed(self) -> None:
        """The ledger did not take a heartbeat."""
        ...

    def protection_failed(self) -> None:
        """The platform did not grant a wish for protection."""
        ...

    def engine_lags(self, lag_ms: float) -> None:
        """A full-duplex model is so far behind its caller; told with every piece of audio."""
        ...


class NoNews:
    """Implements ``CallNews`` where nobody counts."""

    def began(self) -> None:
        """See ``CallNews.began``."""

    def ended(self, which: CallRef, entries: Sequence[JournalEntry], reason: EndReason) -> None:
        """See ``CallNews.ended``."""

    def relay_cut(self) -> None:
        """See ``CallNews.relay_cut``."""

    def refused(self, code: str) -> None:
        """See ``CallNews.refused``."""

    def heartbeat_failed(self) -> None:
        """See ``CallNews.heartbeat_failed``."""

    def protection_failed(self) -> None:
        """See ``CallNews.protection_failed``."""

    def engine_lags(self, lag_ms: float) -> None:
        """See ``CallNews.engine_lags``."""
