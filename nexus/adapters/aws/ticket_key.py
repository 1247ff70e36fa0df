"""The key that signs tickets, as the installation's secret holds it now: turned there, it is signed with without a deployment."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from nexus.adapters.aws.connection import Connection
from nexus.adapters.aws.secret import read_secret
from nexus.errors import ConfigurationError, StoreError
from nexus.tickets import public_key_of

FIELD = "ticket_private_key"
BELIEVED = timedelta(minutes=5)
"""So long a key is signed with before the secret is looked at again: one request in that time, and none for a call."""
_log = logging.getLogger("nexus.aws")


class TicketKey:
    """Reads the secret again when a ticket is to be signed and the last look is too long ago, as after the start from a snapshot.

    Args:
        secret: its name.
        held: the key that was read when the process started.
        now: wall time, since a snapshot may be days older than what it is started for.
    """

    def __init__(self, connection: Connection, secret: str, held: str, now: Callable[[], datetime]) -> None:
        self._connection = connection
        self._secret = secret
        self._held = held
        self._now = now
        self._looked_at = now()

    async def current(self) -> str:
        """The private key, PEM. Where the secret cannot be read, or holds none: the one before, which is still taken. Never raises."""
        now = self._now()
        if now - self._looked_at < BELIEVED:
            return self._held
        self._looked_at = now
        try:
            found = str((await self._connection.send(partial(read_secret, self._connection, self._secret))).get(FIELD, ""))
            public_key_of(found)
        except (StoreError, ConfigurationError) as error:
            _log.error("the ticket key could not be looked at again, the one before signs on: %s", error)
        else:
            self._held = found
        return self._held
