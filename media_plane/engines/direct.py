"""A WebSocket to exactly the address that was named."""

from __future__ import annotations

from websockets.asyncio.client import connect


class Direct(connect):
    """A redirect is an answer like any other: followed, it would bring caller and prompt to a process of somebody else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """See ``websockets.asyncio.client.connect``."""
        return exc
