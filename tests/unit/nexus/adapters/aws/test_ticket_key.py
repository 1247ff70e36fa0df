"""The key that signs tickets: looked at again after five minutes, and never lost for want of a look."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from nexus.adapters.aws import AwsStores
from nexus.adapters.aws.ticket_key import BELIEVED, TicketKey
from nexus.tickets import new_private_key
from tests.aws import client
from tests.fakes.wall_clock import WallClock

OLD, NEW = new_private_key(), new_private_key()


class Secret:
    """The installation's secret; ``looks`` counts how often it was read."""

    def __init__(self, stores: AwsStores, wall: WallClock) -> None:
        self.name = f"keys-of-{stores.connection.place.table}"
        self.looks = 0
        manager = stores.connection.client("secretsmanager")
        manager.meta.events.register("before-call.secretsmanager.GetSecretValue", self._looked)
        client("secretsmanager", "").create_secret(Name=self.name, SecretString=json.dumps({"ticket_private_key": OLD}))
        self.key = TicketKey(stores.connection, self.name, OLD, wall.now)

    def put(self, text: str) -> None:
        client("secretsmanager", "").put_secret_value(SecretId=self.name, SecretString=text)

    def _looked(self, **_: object) -> None:
        self.looks += 1


@pytest.fixture
def wall() -> WallClock:
    return WallClock()


@pytest.fixture
def secret(moto_stores: AwsStores, wall: WallClock) -> Secret:
    return Secret(moto_stores, wall)


async def test_a_turned_key_signs_within_five_minutes_and_no_call_asks_for_it(secret: Secret, wall: WallClock) -> None:
    secret.put(json.dumps({"ticket_private_key": NEW}))
    for _ in range(100):
        assert await secret.key.current() == OLD
    assert secret.looks == 0
    wall.go(BELIEVED.total_seconds())
    for _ in range(100):
        assert await secret.key.current() == NEW
    assert secret.looks == 1


async def test_a_snapshot_that_is_started_a_week_later_looks_first(secret: Secret, wall: WallClock) -> None:
    secret.put(json.dumps({"ticket_private_key": NEW}))
    wall.go(timedelta(days=7).total_seconds())
    assert await secret.key.current() == NEW


@pytest.mark.parametrize("text", ["", "[]", "no json", "{}", json.dumps({"ticket_private_key": "no key"})])
async def test_what_cannot_be_signed_with_is_not_taken(secret: Secret, wall: WallClock, text: str) -> None:
    secret.put(text or " ")
    wall.go(BELIEVED.total_seconds())
    assert await secret.key.current() == OLD
    secret.put(json.dumps({"ticket_private_key": NEW}))
    assert await secret.key.current() == OLD and secret.looks == 1, "a secret that is wrong is not asked for at each call"
    wall.go(BELIEVED.total_seconds())
    assert await secret.key.current() == NEW


async def test_a_secret_that_is_gone_stops_no_call(secret: Secret, wall: WallClock, caplog: pytest.LogCaptureFixture) -> None:
    client("secretsmanager", "").delete_secret(SecretId=secret.name, ForceDeleteWithoutRecovery=True)
    wall.go(BELIEVED.total_seconds())
    assert await secret.key.current() == OLD
    assert "signs on" in caplog.text and "PRIVATE" not in caplog.text
