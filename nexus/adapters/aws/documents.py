"""Small JSON documents by tenant in DynamoDB."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from nexus.adapters.aws import keys
from nexus.adapters.aws.items import Item, Plain, item
from nexus.adapters.aws.keys import Key
from nexus.adapters.aws.places import from_microseconds, microseconds
from nexus.adapters.aws.schema import TTL_ATTRIBUTE
from nexus.adapters.aws.table import ABSENT, Range, Table, When, Write
from nexus.adapters.rules import check_changes, check_expected
from nexus.domain.tenancy import PLATFORM
from nexus.errors import Unavailable
from nexus.ports.documents import Change, Delete, Document, Put

_TRIES = 20
_AFTER_ALL_KEYS = "\x7f"
_BEFORE_ALL_KEYS = "\x01"


class DynamoDocumentStore:
    """What is to be changed is read, and changed only where it is still what was read. One document that must be new is not read first.

    Args:
        table: where they lie.
        now: what expiry is held against.
        of_operator: how the operator's own documents are asked for; None: by the same table.
    """

    def __init__(self, table: Table, now: Callable[[], datetime] = lambda: datetime.now(UTC), *, of_operator: Table | None = None) -> None:
        self._of_tenants = table
        self._of_operator = of_operator or table
        self._now = now

    async def get(self, tenant_id: str, key: str) -> Document | None:
        return self._live(await self._table(tenant_id).get(keys.document(tenant_id, key)))

    async def list(self, tenant_id: str, prefix: str, *, limit: int, after: str = "", newest_first: bool = False) -> tuple[Document, ...]:
        low, high = prefix or _BEFORE_ALL_KEYS, prefix + _AFTER_ALL_KEYS
        if after:
            low, high = (low, min(after, high)) if newest_first else (max(after, low), high)
        found: list[Document] = []
        if low > high or limit <= 0:
            return ()
        async for one in self._table(tenant_id).query(
            Range(keys.documents(tenant_id), between=(low, high), backwards=newest_first, page=limit + 1)
        ):
            document = self._live(one)
            if document is not None and document.key != after:
                found.append(document)
            if len(found) == limit:
                break
        return tuple(found)

    async def write(self, tenant_id: str, *changes: Change) -> tuple[int, ...]:
        check_changes(changes)
        table = self._table(tenant_id)
        match changes:
            case (Put(expected=0) as new,) if await table.put(_item(new, keys.document(tenant_id, new.key), 1), ABSENT) is None:
                return (1,)
        places = [keys.document(tenant_id, change.key) for change in changes]
        for _ in range(_TRIES):
            raw = {str(one["sk"]): one for one in await table.get_many(places)}
            before = [self._live(raw.get(change.key)) for change in changes]
            for change, found in zip(changes, before, strict=True):
                check_expected(change, found)
            versions = tuple(_version(change, found) for change, found in zip(changes, before, strict=True))
            parts = zip(changes, places, versions, strict=True)
            writes = [write for change, at, version in parts for write in _parts(table, change, at, version, raw.get(change.key))]
            if not writes or all(await table.write_together(writes)):
                return versions
        raise Unavailable("store_unavailable", "Too many write the same documents at once; try again.")

    async def erase_tenant(self, tenant_id: str) -> bool:
        """Remove every document of the tenant."""
        await self._table(tenant_id).erase(keys.documents(tenant_id))
        return True

    def _table(self, tenant_id: str) -> Table:
        return self._of_operator if tenant_id == PLATFORM else self._of_tenants

    def _live(self, found: Item | None) -> Document | None:
        if found is None:
            return None
        expires = from_microseconds(int(found["expires_us"])) if "expires_us" in found else None
        if expires is not None and expires <= self._now():
            return None
        body: Mapping[str, object] = json.loads(str(found["body"]))
        return Document(str(found["sk"]), body, int(found["version"]), expires)


def _parts(table: Table, change: Change, at: Key, version: int, raw: Item | None) -> tuple[Write, ...]:
    """The write of one change, under the condition that the item is as it was read: each writing has a mark of its own."""
    same = ABSENT if raw is None else When("#mark = :read", {":read": raw["mark"]})
    match change:
        case Put():
            return (table.put_part(_item(change, at, version), same),)
        case Delete():
            return () if raw is None else (table.delete_part(at, same),)
    return (table.check_part(at, same),)


def _version(change: Change, found: Document | None) -> int:
    if not isinstance(change, Put):
        return 0
    return 1 if found is None else found.version + 1


def _item(change: Put, at: Key, version: int) -> Item:
    expires: dict[str, Plain] = {}
    if change.expires_at is not None:
        expires = {"expires_us": microseconds(change.expires_at), TTL_ATTRIBUTE: int(change.expires_at.timestamp()) + 1}
    body = json.dumps(change.body, ensure_ascii=False)
    return item(at, body=body, version=version, mark=secrets.token_hex(8), **expires)
