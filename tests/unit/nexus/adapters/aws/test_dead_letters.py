"""Dead letters go back to their queue: over the emulator, which has no task for it, and with SQS's own."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from nexus.adapters.aws import AwsPlace, AwsStores
from nexus.adapters.aws.connection import Connection
from nexus.adapters.aws.dead_letters import DeadLetters
from nexus.errors import Unavailable
from tests.aws import client


async def test_every_message_goes_back_as_it_was(emulator_stores: AwsStores) -> None:
    place = emulator_stores.connection.place
    sqs = client("sqs", place.endpoint_url)
    dead, alive = (sqs.create_queue(QueueName=f"{place.table}-{name}")["QueueUrl"] for name in ("dead", "alive"))
    letters = DeadLetters(emulator_stores.connection, dead, alive)
    assert await letters.redrive() == 0
    for number in range(13):
        sqs.send_message(QueueUrl=dead, MessageBody=f"message {number}")
    assert await letters.redrive() == 13
    found: list[str] = []
    while more := sqs.receive_message(QueueUrl=alive, MaxNumberOfMessages=10).get("Messages", ()):
        found += [one["Body"] for one in more]
    assert sorted(found) == sorted(f"message {number}" for number in range(13))
    assert await letters.redrive() == 0


class Sqs:
    """SQS with the task, or with a refusal."""

    def __init__(self, refusal: str = "") -> None:
        self.moved: list[dict[str, Any]] = []
        self._refusal = refusal

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        return {"Attributes": {"ApproximateNumberOfMessages": "7", "QueueArn": f"arn:of:{QueueUrl}"}}

    def start_message_move_task(self, **asked: Any) -> dict[str, Any]:
        if self._refusal:
            raise ClientError({"Error": {"Code": self._refusal, "Message": ""}}, "StartMessageMoveTask")
        self.moved.append(asked)
        return {"TaskHandle": "t"}


class Line(Connection):
    def __init__(self, sqs: Sqs) -> None:
        super().__init__(AwsPlace("nexus", "nexus"))
        self.sqs = sqs

    def client(self, service: str, **more: Any) -> Any:
        return self.sqs


async def test_sqs_moves_them_by_itself_where_it_can() -> None:
    sqs = Sqs()
    assert await DeadLetters(Line(sqs), "dead", "alive").redrive() == 7
    assert sqs.moved == [{"SourceArn": "arn:of:dead", "DestinationArn": "arn:of:alive"}]


async def test_a_missing_right_is_told() -> None:
    with pytest.raises(Unavailable, match="AccessDenied"):
        await DeadLetters(Line(Sqs("AccessDenied")), "dead", "alive").redrive()
