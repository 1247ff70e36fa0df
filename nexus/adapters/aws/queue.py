"""The queue of calls to finish, in SQS."""

from __future__ import annotations

import json

from nexus.adapters.aws.connection import Connection


class CallsQueue:
    """Its client is made when first used: few requests need it.

    Args:
        connection: how AWS is asked.
        url: the queue's address.
    """

    def __init__(self, connection: Connection, url: str) -> None:
        self._connection = connection
        self._url = url

    async def wake(self, tenant_id: str, call_id: str) -> None:
        """Have the call finished soon. Raises Unavailable."""
        body = json.dumps({"tenant_id": tenant_id, "call_id": call_id})
        await self._connection.send(lambda: self._connection.client("sqs").send_message(QueueUrl=self._url, MessageBody=body))
