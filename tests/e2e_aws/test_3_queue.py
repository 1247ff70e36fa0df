"""What cannot be read ends with the dead letters, and comes back when it is asked for."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e_aws.deployment import Deployment, until


def test_a_message_that_nobody_can_read_becomes_a_dead_letter(deployment: Deployment) -> None:
    sqs = deployment.aws("sqs")
    body = json.dumps({"this": "is no call"})
    sqs.send_message(QueueUrl=deployment.outputs["CallsQueueUrl"], MessageBody=body)

    def dead() -> list[dict[str, Any]]:
        found = sqs.receive_message(QueueUrl=deployment.outputs["CallsDeadLetterQueueUrl"], WaitTimeSeconds=1, VisibilityTimeout=0)
        return list(found.get("Messages", []))

    (letter, *_) = until("no dead letter", 90, dead)
    assert letter["Body"] == body
