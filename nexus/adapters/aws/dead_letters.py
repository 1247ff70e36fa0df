"""Messages that the queue of calls has given up: back to the queue, from which they are taken again.

**Source:** Amazon SQS Developer Guide, "Configuring a dead-letter queue redrive" (StartMessageMoveTask).
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from nexus.adapters.aws.connection import Connection, code_of

_BATCH = 10
_NOT_KNOWN = ("InvalidAction", "AWS.SimpleQueueService.UnsupportedOperation", "UnsupportedOperation", "UnknownOperationException")


class DeadLetters:
    """
    Args:
        connection: how AWS is asked.
        url: the dead-letter queue's address.
        queue_url: where its messages go.
    """

    def __init__(self, connection: Connection, url: str, queue_url: str) -> None:
        self._connection = connection
        self._url = url
        self._queue_url = queue_url

    async def redrive(self) -> int:
        """Have every message that is there moved back; about how many there are.

        SQS moves them by itself from then on. Where it has no such task (an emulator), each is sent and then deleted: broken off between
        the two, one is there twice, and a call that is finished twice is finished once.

        Raises:
            Unavailable: SQS cannot be reached or refuses us.
        """
        waiting = await self._connection.send(self._waiting)
        if waiting and not await self._connection.send(self._started):
            while await self._connection.send(self._moved):
                pass
        return waiting

    def _waiting(self) -> int:
        return int(self._attribute(self._url, "ApproximateNumberOfMessages"))

    def _started(self) -> bool:
        """Whether SQS moves them."""
        from_arn, to_arn = (self._attribute(url, "QueueArn") for url in (self._url, self._queue_url))
        try:
            self._sqs().start_message_move_task(SourceArn=from_arn, DestinationArn=to_arn)
        except ClientError as error:
            if code_of(error) in _NOT_KNOWN:
                return False
            raise
        return True

    def _moved(self) -> int:
        found = self._sqs().receive_message(QueueUrl=self._url, MaxNumberOfMessages=_BATCH).get("Messages", ())
        for one in found:
            self._sqs().send_message(QueueUrl=self._queue_url, MessageBody=one["Body"])
            self._sqs().delete_message(QueueUrl=self._url, ReceiptHandle=one["ReceiptHandle"])
        return len(found)

    def _attribute(self, url: str, name: str) -> str:
        return str(self._sqs().get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])

    def _sqs(self) -> Any:
        return self._connection.client("sqs")
