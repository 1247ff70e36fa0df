"""The tenant access role in use: whose session a request is made with, how often STS is asked, and that the session's rights hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from nexus.adapters.aws import AwsPlace, AwsStores, aws_stores
from nexus.adapters.aws.connection import Connection
from nexus.adapters.aws.tenant_sessions import MOST_SESSIONS, USED_S, TenantSessions, arns
from nexus.context import working_for
from nexus.domain.tenancy import PLATFORM
from nexus.errors import ConfigurationError, Unavailable
from nexus.ports.documents import Put
from nexus.ports.sessions import SessionFilter
from tests.aws import client, new_place
from tests.emulator import emulator
from tests.fakes.stored import row

ROLE = "arn:aws:iam::123456789012:role/nexus-tenant"


class Sts:
    """STS as a client, which keeps what it was asked."""

    class meta:
        region_name = "us-east-1"
        endpoint_url = "https://sts.us-east-1.amazonaws.com"

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def assume_role(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        return {"Credentials": {"AccessKeyId": asked["RoleSessionName"], "SecretAccessKey": "s", "SessionToken": "t"}}


class Own(Connection):
    """The process's own connection, to nothing but STS."""

    def __init__(self) -> None:
        super().__init__(AwsPlace("nexus", "nexus-archive"))
        self.sts = Sts()

    def client(self, service: str, **more: Any) -> Any:
        assert service == "sts"
        return self.sts


def test_a_tenants_session_is_narrowed_to_it_and_asked_for_once_in_a_quarter_of_an_hour() -> None:
    own, now = Own(), [0.0]
    sessions = TenantSessions(own, ROLE, lambda: now[0])
    for tenant_id in ("acme", "acme2", "acme"):
        with working_for(tenant_id=tenant_id):
            assert sessions.get_frozen_credentials().access_key == f"nexus-{tenant_id}"
    assert [one["RoleArn"] for one in own.sts.asked] == [ROLE, ROLE]
    first = json.loads(own.sts.asked[0]["Policy"])
    assert first["Statement"][0]["Condition"]["ForAllValues:StringLike"] == {"dynamodb:LeadingKeys": ["TENANT#acme", "TENANT#acme#*"]}
    assert first["Statement"][0]["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}
    assert first["Statement"][0]["Resource"][0] == "arn:aws:dynamodb:us-east-1:123456789012:table/nexus"
    with working_for(tenant_id="acme"):
        now[0] = USED_S - 1
        sessions.get_frozen_credentials()
        assert len(own.sts.asked) == 2
        now[0] = USED_S
        sessions.get_frozen_credentials()
        assert len(own.sts.asked) == 3


def test_sessions_are_bounded_and_the_longest_unused_goes() -> None:
    own = Own()
    sessions = TenantSessions(own, ROLE, lambda: 0.0)
    for tenant_id in [*(f"shop_{number}" for number in range(MOST_SESSIONS)), "shop_0", "one_more", "shop_0", "shop_1"]:
        with working_for(tenant_id=tenant_id):
            sessions.get_frozen_credentials()
    assert len(own.sts.asked) == MOST_SESSIONS + 2
    assert own.sts.asked[-1]["RoleSessionName"] == "nexus-shop_1"


def test_work_of_no_tenant_gets_no_session() -> None:
    with pytest.raises(RuntimeError):
        TenantSessions(Own(), ROLE).get_frozen_credentials()


@pytest.mark.parametrize("role", ["", "nexus-tenant", "arn:aws:iam::123456789012:user/x", "arn:aws:s3:::role/x"])
def test_what_is_no_role_is_refused(role: str) -> None:
    with pytest.raises(ConfigurationError):
        arns(role, AwsPlace("nexus", "nexus-archive"), "us-east-1")


# --- over the emulator, which decides by IAM ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded_url() -> Iterator[str]:
    with emulator(rights=True) as url:
        yield url


@pytest.fixture
def stores(guarded_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsStores]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    place = new_place(guarded_url, workers=2)
    iam = client("iam", guarded_url)
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName=place.table, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    wide = {"Effect": "Allow", "Action": ["dynamodb:*", "s3:*"], "Resource": "*"}
    iam.put_role_policy(RoleName=place.table, PolicyName="wide", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [wide]}))
    made = aws_stores(place, role)
    yield made
    made.close()


async def test_a_tenants_things_are_asked_for_under_the_role_and_the_operators_are_not(stores: AwsStores) -> None:
    with working_for(tenant_id="barber"):
        await stores.documents.write("barber", Put("a", {"is": "there"}))
        assert (await stores.door.get("barber", "a")) is not None
        await stores.sessions.put(row(1))
        assert len(await stores.sessions.list("barber", SessionFilter(), limit=5)) == 1
    await stores.documents.write(PLATFORM, Put("b", {}))
    assert await stores.documents.get(PLATFORM, "b") is not None, "of no tenant, and asked for without one"


async def test_the_session_may_do_what_both_role_and_policy_allow(stores: AwsStores) -> None:
    """The role may scan; the session of a tenant may not."""
    with working_for(tenant_id="barber"):
        scan = stores.tenant_connection.client("dynamodb").scan
        with pytest.raises(Unavailable, match="AccessDenied"):
            await stores.tenant_connection.send(lambda: scan(TableName=stores.connection.place.table))


async def test_a_role_that_may_not_be_assumed_is_told_as_a_missing_right(stores: AwsStores) -> None:
    place = stores.connection.place
    lost = aws_stores(place, "arn:aws:iam::000000000000:role/of-nobody")
    with working_for(tenant_id="barber"), pytest.raises(Unavailable):
        await lost.sessions.list("barber", SessionFilter(), limit=1)
    lost.close()
