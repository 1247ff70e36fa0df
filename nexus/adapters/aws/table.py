"""The one table of DynamoDB: reads, conditional writes and transactions over plain items. There is no Scan."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

from botocore.exceptions import ClientError

from nexus.adapters.aws.connection import Connection, code_of
from nexus.adapters.aws.items import Item, Plain, marshalled, unmarshalled
from nexus.adapters.aws.keys import Key
from nexus.errors import Unavailable

Result = TypeVar("Result")
INDEX = "by_kind"
_NAME = re.compile(r"#(\w+)")
_WRITE_BATCH = 25
_READ_BATCH = 100
_ERASED_AT_ONCE = 1000
_BUSY = ("TransactionConflict", "TransactionConflictException", "TransactionInProgressException")
_BUSY_REASONS = {"None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
_TRIES = 8
_PAUSE_MS = 15
_random = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class When:
    """A condition: ``#name`` stands for the attribute ``name``, ``:name`` for a value given."""

    text: str
    values: Mapping[str, Plain] = field(default_factory=dict)


ABSENT = When("attribute_not_exists(#pk)")


@dataclass(frozen=True, slots=True)
class Write:
    """One part of a transaction."""

    kind: Literal["Put", "Delete", "ConditionCheck"]
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A condition did not hold. ``found`` is the item as it was, None where there was none."""

    found: Item | None


@dataclass(frozen=True, slots=True)
class Range:
    """Items of one partition by sort key: those that begin with ``prefix``, or those below ``below``. ``index``: of the index's keys."""

    pk: str
    prefix: str = ""
    below: str = ""
    backwards: bool = False
    index: bool = False
    between: tuple[str, str] | None = None
    """From the first to the second sort key, both included."""
    page: int = 0
    """How many items one request reads; 0: as many as fit into 1 MB."""


class Table:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._name = connection.place.table
        self._client = connection.client("dynamodb")

    async def get(self, key: Key) -> Item | None:
        """The item as it is now (a consistent read)."""

        def request() -> Item | None:
            found = self._client.get_item(TableName=self._name, Key=_key(key), ConsistentRead=True).get("Item")
            return None if found is None else unmarshalled(found)

        return await self._connection.send(request)

    async def get_many(self, keys: Iterable[Key]) -> tuple[Item, ...]:
        """Those of the items that exist, in no order, a hundred a request."""
        wanted = [_key(key) for key in keys]
        items: list[Item] = []
        for first in range(0, len(wanted), _READ_BATCH):
            left: Any = {self._name: {"Keys": wanted[first : first + _READ_BATCH], "ConsistentRead": True}}
            for number in range(_TRIES):
                answer = await self._connection.send(partial(self._client.batch_get_item, RequestItems=left))
                items += [unmarshalled(found) for found in answer["Responses"].get(self._name, [])]
                left = answer.get("UnprocessedKeys")
                if not left:
                    break
                await _pause(number)
            else:
                raise self._too_busy()
        return tuple(items)

    async def put(self, item: Item, when: When | None = None) -> Refusal | None:
        """Write the whole item.

        A request whose answer was lost is sent again and would meet its own writing: a conditional writing carries a mark, by which it
        knows itself.
        """
        if when is None:
            return await self._write(partial(self._client.put_item, **self._put(item, None)))
        mark = secrets.token_hex(8)
        parameters = self._put({**item, "mark": mark}, when)
        refused = await self._write(partial(self._client.put_item, **parameters, ReturnValuesOnConditionCheckFailure="ALL_OLD"))
        own = refused is not None and refused.found is not None and refused.found.get("mark") == mark
        return None if own else refused

    async def delete(self, key: Key, when: When | None = None) -> Refusal | None:
        """Remove the item; silent where none is."""
        return await self._write(
            lambda: self._client.delete_item(**self._parameters({"Key": _key(key)}, when), ReturnValuesOnConditionCheckFailure="ALL_OLD")
        )

    async def update(self, key: Key, change: str, values: Mapping[str, Plain]) -> Item:
        """Change attributes of an item, made where none is; gives the whole item after it."""
        parameters = self._parameters({"Key": _key(key), "UpdateExpression": change}, When(change, values))
        del parameters["ConditionExpression"]
        return await self._patiently(lambda: unmarshalled(self._client.update_item(**parameters, ReturnValues="ALL_NEW")["Attributes"]))

    async def query(self, wanted: Range) -> AsyncIterator[Item]:
        """Items in the order of their sort keys, page by page as they are asked for. The index is read a moment late."""
        start: Any = None
        while True:
            answer = await self._connection.send(partial(self._client.query, **self._page(wanted, start)))
            for found in answer["Items"]:
                yield unmarshalled(found)
            start = answer.get("LastEvaluatedKey")
            if not start:
                return

    async def delete_many(self, keys: Sequence[Key]) -> None:
        """Remove items, 25 a request."""
        for first in range(0, len(keys), _WRITE_BATCH):
            batch: Any = {self._name: [{"DeleteRequest": {"Key": _key(key)}} for key in keys[first : first + _WRITE_BATCH]]}
            for number in range(_TRIES):
                answer = await self._connection.send(partial(self._client.batch_write_item, RequestItems=batch))
                batch = answer.get("UnprocessedItems")
                if not batch:
                    break
                await _pause(number)
            else:
                raise self._too_busy()

    async def erase(self, pk: str) -> None:
        """Remove every item of a partition."""
        batch: list[Key] = []
        async for found in self.query(Range(pk)):
            batch.append(Key(pk, str(found["sk"])))
            if len(batch) == _ERASED_AT_ONCE:
                await self.delete_many(batch)
                batch = []
        await self.delete_many(batch)

    async def write_together(self, writes: Sequence[Write]) -> tuple[bool, ...]:
        """All of the writes or none. Gives for each whether its condition held; all were made when all did.

        Every try carries the same token, so that one after a lost answer changes nothing.
        """
        parts: Any = [{one.kind: one.parameters} for one in writes]
        token = secrets.token_hex(16)

        def request() -> tuple[bool, ...]:
            try:
                self._client.transact_write_items(TransactItems=parts, ClientRequestToken=token)
            except ClientError as error:
                reasons = _reasons(error)
                if "ConditionalCheckFailed" not in reasons:
                    raise
                return tuple(reason != "ConditionalCheckFailed" for reason in reasons)
            return (True,) * len(parts)

        return await self._patiently(request)

    def put_part(self, item: Item, when: When | None = None) -> Write:
        """Write the whole item, in a transaction."""
        return Write("Put", self._put(item, when))

    def delete_part(self, key: Key, when: When | None = None) -> Write:
        """Remove the item, in a transaction."""
        return Write("Delete", self._parameters({"Key": _key(key)}, when))

    def check_part(self, key: Key, when: When) -> Write:
        """Let a transaction be only where the condition holds."""
        return Write("ConditionCheck", self._parameters({"Key": _key(key)}, when))

    def _put(self, item: Item, when: When | None) -> dict[str, Any]:
        return self._parameters({"Item": marshalled(item)}, when)

    def _parameters(self, what: dict[str, Any], when: When | None) -> dict[str, Any]:
        return {"TableName": self._name, **what, **({} if when is None else {"ConditionExpression": when.text, **_meant(when)})}

    def _page(self, wanted: Range, start: Any) -> dict[str, Any]:
        names = ("ipk", "isk") if wanted.index else ("pk", "sk")
        clauses = [f"#{names[0]} = :pk"]
        values = {":pk": wanted.pk}
        if wanted.prefix:
            clauses.append(f"begins_with(#{names[1]}, :prefix)")
            values[":prefix"] = wanted.prefix
        if wanted.below:
            clauses.append(f"#{names[1]} < :below")
            values[":below"] = wanted.below
        if wanted.between:
            clauses.append(f"#{names[1]} BETWEEN :low AND :high")
            values |= {":low": wanted.between[0], ":high": wanted.between[1]}
        text = " AND ".join(clauses)
        return {
            "TableName": self._name,
            "KeyConditionExpression": text,
            "ScanIndexForward": not wanted.backwards,
            **_meant(When(text, values)),
            **({"IndexName": INDEX} if wanted.index else {"ConsistentRead": True}),
            **({"Limit": wanted.page} if wanted.page else {}),
            **({"ExclusiveStartKey": start} if start else {}),
        }

    async def _write(self, write: Callable[[], Any]) -> Refusal | None:
        def request() -> Refusal | None:
            try:
                write()
            except ClientError as error:
                if code_of(error) != "ConditionalCheckFailedException":
                    raise
                found = dict(error.response).get("Item")
                return Refusal(unmarshalled(found) if isinstance(found, dict) else None)
            return None

        return await self._patiently(request)

    async def _patiently(self, request: Callable[[], Result]) -> Result:
        """DynamoDB refuses a write that meets another transaction on the same item; a moment later it may pass."""

        def attempt() -> tuple[Result] | None:
            try:
                return (request(),)
            except ClientError as error:
                if not _is_busy(error):
                    raise
                return None

        for number in range(_TRIES):
            done = await self._connection.send(attempt)
            if done is not None:
                return done[0]
            await _pause(number)
        raise self._too_busy()

    def _too_busy(self) -> Unavailable:
        return Unavailable("store_unavailable", f"Table {self._name} is too busy just now; try again.")


def _key(key: Key) -> dict[str, Any]:
    return marshalled({"pk": key.pk, "sk": key.sk})


def _meant(when: When) -> dict[str, Any]:
    """What the placeholders of an expression stand for."""
    names = {f"#{name}": name for name in _NAME.findall(when.text)}
    return {"ExpressionAttributeNames": names, **({"ExpressionAttributeValues": marshalled(when.values)} if when.values else {})}


def _reasons(error: ClientError) -> tuple[str, ...]:
    """Why a transaction was cancelled, for each of its writes."""
    found: Any = dict(error.response).get("CancellationReasons", ())
    return tuple(str(reason.get("Code", "None")) for reason in found)


def _is_busy(error: ClientError) -> bool:
    code = code_of(error)
    return code in _BUSY or (code == "TransactionCanceledException" and set(_reasons(error)) <= _BUSY_REASONS)


async def _pause(number: int) -> None:
    """Longer each time, and never in step with the others."""
    await asyncio.sleep(_random.uniform(0, _PAUSE_MS * 2 ** min(number, 4)) / 1000)
