"""A media process may do to the stores what it does, and nothing else: its requests as they are made, held against its role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import botocore.handlers
import pytest

import infra  # noqa: F401  (names the Node that runs CDK)
from infra.constructs.rights import Rights
from infra.stacks.media import may_of_media
from nexus.adapters.aws import AwsStores, aws_stores
from nexus.adapters.seal import AesSeal
from nexus.adapters.tenant_secrets import SealedSecrets
from nexus.clock import Clock
from nexus.domain.call import EndReason
from nexus.errors import NexusError
from nexus.ports.documents import Put
from nexus.ports.sessions import SessionFilter
from tests.aws import new_place
from tests.fakes.iam import allowed
from tests.fakes.stored import NOON, analysis, call_id, order, private, process, record, row, turn_noted

TABLE, BUCKET, KEY = "arn:aws:dynamodb:eu-west-1:1:table/t", "arn:aws:s3:::b", "arn:aws:kms:eu-west-1:1:key/k"
Operation = Callable[[AwsStores], Awaitable[object]]
Asked = tuple[str, str, dict[str, Any]]
"""Action, resource, context."""
_PARTS = {"Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem", "ConditionCheck": "ConditionCheckItem"}


def statements(fleet: str = "main") -> list[dict[str, Any]]:
    """Of the role, for a table, a bucket and a key of these ARNs."""
    rights = Rights(TABLE, BUCKET, cast(Any, SimpleNamespace(key_arn=KEY)), "eu-west-1")
    return [dict(one.to_statement_json()) for one in may_of_media(rights, fleet)]


def _keys_of(told: Mapping[str, Any]) -> list[str]:
    """The partition keys that a request of DynamoDB names, wherever they stand in it."""
    found = []
    for name, value in told.items():
        if name in ("Key", "Item"):
            found.append(value["pk"]["S"])
        elif name == "Keys":
            found += [one["pk"]["S"] for one in value]
        elif name == "ExpressionAttributeValues" and "KeyConditionExpression" in told:
            found.append(value[":pk"]["S"])
        elif isinstance(value, dict):
            found += _keys_of(value)
        elif isinstance(value, list):
            found += [key for one in value if isinstance(one, dict) for key in _keys_of(one)]
    return found


def _of_table(operation: str, told: dict[str, Any]) -> Iterator[Asked]:
    resource = f"{TABLE}/index/{told['IndexName']}" if "IndexName" in told else TABLE
    if operation != "TransactWriteItems":
        yield f"dynamodb:{operation}", resource, {"dynamodb__LeadingKeys": _keys_of(told)}
        return
    for part in told["TransactItems"]:
        ((kind, parameters),) = part.items()
        yield f"dynamodb:{_PARTS[kind]}", TABLE, {"dynamodb__LeadingKeys": _keys_of(parameters)}


def _of_bucket(operation: str, told: dict[str, Any]) -> Iterator[Asked]:
    if operation == "ListObjectsV2":
        yield "s3:ListBucket", BUCKET, {"s3__prefix": told["Prefix"]}
    elif operation == "DeleteObjects":
        yield from (("s3:DeleteObject", f"{BUCKET}/{one['Key']}", {}) for one in told["Delete"]["Objects"])
    else:
        yield "s3:" + operation.replace("Head", "Get"), f"{BUCKET}/{told['Key']}", {}


@contextmanager
def recorded() -> Iterator[list[Asked]]:
    """What clients made from now on ask of DynamoDB and S3."""
    found: list[Asked] = []
    hooks = [
        ("before-parameter-build.dynamodb", lambda params, model, **_: found.extend(_of_table(model.name, params))),
        ("before-parameter-build.s3", lambda params, model, **_: found.extend(_of_bucket(model.name, params))),
    ]
    botocore.handlers.BUILTIN_HANDLERS.extend(hooks)
    try:
        yield found
    finally:
        for hook in hooks:
            botocore.handlers.BUILTIN_HANDLERS.remove(hook)


@pytest.fixture
async def asked(moto: None) -> AsyncIterator[tuple[AwsStores, list[Asked]]]:
    """Stores with one of everything: of calls one that is connected (1), one whose process died (2), two that wait; and what is asked of
    them from now on."""
    place = new_place("", workers=1)
    with recorded() as found:
        stores = aws_stores(place)
        await stores.documents.write("barber", Put("tenant", {}), Put("secret/CRM", {"sealed": ""}))
        await stores.ledger.heartbeat(process())
        for number in (1, 3, 7):
            await _reserve(stores, number)
        await stores.ledger.redeem("barber", call_id(1), nonce="n", process_id="mp_1", now=NOON)
        await stores.archive.put(record(1), private(1, days=1))
        found.clear()
        yield stores, found
        stores.close()


async def _reserve(stores: AwsStores, number: int) -> object:
    return await stores.ledger.reserve(order(), call_id=call_id(number), nonce="n", tenant_limit=9, lease_s=60, now=NOON)


def _secrets(stores: AwsStores) -> SealedSecrets:
    return SealedSecrets(stores.documents, AesSeal(b"s" * 32), Clock())


# One after the other, over the same stores: what the media plane asks of each port of ``media_plane.stores``.
DONE: dict[str, Operation] = {
    "a call's terms": lambda stores: stores.tenants.for_call("barber", 3),
    "heartbeat": lambda stores: stores.ledger.heartbeat(process()),
    "heartbeat of another, by which a dead one is found": lambda stores: stores.ledger.heartbeat(
        process("mp_2", seen_at=NOON + timedelta(minutes=5))
    ),
    "redeem": lambda stores: stores.ledger.redeem("barber", call_id(3), nonce="n", process_id="mp_1", now=NOON),
    "redeem elsewhere": lambda stores: stores.ledger.redeem("barber", call_id(7), nonce="n", process_id="mp_2", now=NOON),
    "release": lambda stores: stores.ledger.release("barber", call_id(3), EndReason.CALLER_HANGUP, NOON),
    "ledger's entry": lambda stores: stores.ledger.get("barber", call_id(1)),
    "journal, the first": lambda stores: stores.journal.append(call_id(1), (turn_noted(0, "a"),)),
    "journal, later": lambda stores: stores.journal.append(call_id(1), (turn_noted(1, "b"),)),
    "journals": lambda stores: stores.journal.open_calls(),
    "journal read": lambda stores: stores.journal.read(call_id(1)),
    "journal gone": lambda stores: stores.journal.discard(call_id(1)),
    "archive": lambda stores: stores.archive.put(record(2), private(2, days=1)),
    "archive again": lambda stores: stores.archive.put(record(1), private(1, days=1)),
    "recording": lambda stores: stores.recordings.put("barber", call_id(2), Path(__file__), delete_after=NOON),
    "value": lambda stores: stores.tool_values.put("barber", "k", 1),
    "new value": lambda stores: stores.tool_values.put("barber", "new", 1, new_only=True),
    "value read": lambda stores: stores.tool_values.get("barber", "k"),
    "values": lambda stores: stores.tool_values.list("barber", ""),
    "value gone": lambda stores: stores.tool_values.delete("barber", "k"),
    "effect": lambda stores: stores.effects.begin("barber", call_id(1), "e", "book"),
    "effect done": lambda stores: stores.effects.finish("barber", call_id(1), "e", output="done"),
    "effect forgotten": lambda stores: stores.effects.forget("barber", call_id(1), "e"),
    "a tool's secret": lambda stores: _secrets(stores).reveal("barber", ("OTHER",)),
}
NOT_DONE: dict[str, Operation] = {
    "publish": lambda stores: stores.documents.write("barber", Put("tenant", {"state": "active"})),
    "make a key": lambda stores: stores.documents.write("barber", Put("key/1", {}, expected=0)),
    "list documents": lambda stores: stores.documents.list("barber", "", limit=1),
    "list tenants": lambda stores: stores.tenants.list_ids(),
    "read leads": lambda stores: stores.leads.list("barber", limit=1),
    "read leads by the index": lambda stores: stores.leads.list("barber", limit=1, outcome="TOOLS"),
    "write leads": lambda stores: stores.leads.put(analysis(1)),
    "read sessions": lambda stores: stores.sessions.list("barber", SessionFilter(), limit=1),
    "write sessions": lambda stores: stores.sessions.put(row(1)),
    "read the archive": lambda stores: stores.archive.get("barber", call_id(1)),
    "read what is private": lambda stores: stores.archive.get_private("barber", call_id(1)),
    "erase": lambda stores: stores.archive.erase_tenant("barber"),
}


async def test_a_media_process_may_do_all_that_it_does(asked: tuple[AwsStores, list[Asked]]) -> None:
    stores, found = asked
    document = {"Statement": statements()}
    made: set[str] = set()
    for name, operation in DONE.items():
        with suppress(NexusError):  # it was asked, which is what counts
            await operation(stores)
        assert found, name
        for action, resource, context in found:
            assert allowed(document, action, resource, **context), (name, action, resource, context)
            made.add(action)
        found.clear()
    given = {one for told in document["Statement"] for one in _listed(told["Action"]) if one.startswith(("dynamodb:", "s3:"))}
    assert given == made, "a right that nothing uses"


async def test_a_media_process_may_do_nothing_else(asked: tuple[AwsStores, list[Asked]]) -> None:
    stores, found = asked
    document = {"Statement": statements()}
    for name, operation in NOT_DONE.items():
        await operation(stores)
        assert not all(allowed(document, action, resource, **context) for action, resource, context in found), name
        found.clear()


def test_another_fleets_slots_are_not_its_own() -> None:
    document = {"Statement": statements("east")}
    for fleet, may in (("east", True), ("main", False), ("DOCUMENTS", False)):
        assert allowed(document, "dynamodb:PutItem", TABLE, dynamodb__LeadingKeys=[f"FLEET#{fleet}"]) is may


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
