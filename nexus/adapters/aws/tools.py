"""Tools' stores and effects in DynamoDB."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from nexus.adapters.aws import keys
from nexus.adapters.aws.items import Item, Plain, item
from nexus.adapters.aws.keys import TenantContext
from nexus.adapters.aws.schema import TTL_ATTRIBUTE
from nexus.adapters.aws.table import ABSENT, Range, Table
from nexus.errors import Conflict
from nexus.ports.tools import Effect, EffectState
from nexus.tools import Stored

_MOST_LISTED = 1000
EFFECTS_KEPT = timedelta(days=7)
"""A call lasts two hours at most; this is for whoever looks into it."""


class DynamoToolStore:
    def __init__(self, table: Table) -> None:
        self._table = table

    async def get(self, tenant_id: str, key: str) -> Stored | None:
        found = await self._table.get(keys.tool_value(TenantContext(tenant_id), key))
        return None if found is None else _stored(found)

    async def put(self, tenant_id: str, key: str, value: Any, *, new_only: bool = False) -> Stored:
        at = keys.tool_value(TenantContext(tenant_id), key)
        text = json.dumps(value)
        if not new_only:
            change = "SET #body = :body, #v = if_not_exists(#v, :one) ADD #version :one"
            return Stored(key, value, int((await self._table.update(at, change, {":body": text, ":one": 1}))["version"]))
        if await self._table.put(item(at, body=text, version=1), ABSENT) is not None:
            raise Conflict("conflict", f"{key!r} is written already.")
        return Stored(key, value, 1)

    async def list(self, tenant_id: str, prefix: str) -> tuple[Stored, ...]:
        start = keys.tool_value(TenantContext(tenant_id), prefix)
        values: list[Stored] = []
        async for found in self._table.query(Range(start.pk, prefix=start.sk)):
            values.append(_stored(found))
            if len(values) == _MOST_LISTED:
                break
        return tuple(values)

    async def delete(self, tenant_id: str, key: str) -> None:
        await self._table.delete(keys.tool_value(TenantContext(tenant_id), key))

    async def erase_tenant(self, tenant_id: str) -> bool:
        await self._table.erase(keys.tool_values(TenantContext(tenant_id)))
        return True


class DynamoEffectLog:
    def __init__(self, table: Table) -> None:
        self._table = table

    async def begin(self, tenant_id: str, call_id: str, effect_id: str, tool: str) -> Effect:
        at = keys.effect(TenantContext(tenant_id), call_id, effect_id)
        refused = await self._table.put(item(at, progress="pending", output="", failed=False, tool=tool, **_until()), ABSENT)
        if refused is None:
            return Effect("new")
        known = refused.found or {"progress": "pending", "output": "", "failed": False}
        return Effect(cast(EffectState, known["progress"]), str(known["output"]), bool(known["failed"]))

    async def finish(self, tenant_id: str, call_id: str, effect_id: str, *, output: str, failed: bool = False) -> None:
        at = keys.effect(TenantContext(tenant_id), call_id, effect_id)
        change = f"SET #progress = :done, #output = :output, #failed = :failed, #{TTL_ATTRIBUTE} = :until, #v = if_not_exists(#v, :one)"
        values: dict[str, Plain] = {":done": "done", ":output": output, ":failed": failed, ":until": _until()[TTL_ATTRIBUTE], ":one": 1}
        await self._table.update(at, change, values)

    async def forget(self, tenant_id: str, call_id: str, effect_id: str) -> None:
        await self._table.delete(keys.effect(TenantContext(tenant_id), call_id, effect_id))

    async def erase_tenant(self, tenant_id: str) -> bool:
        await self._table.erase(keys.effects(TenantContext(tenant_id)))
        return True


def _stored(found: Item) -> Stored:
    return Stored(str(found["sk"])[1:], json.loads(str(found["body"])), int(found["version"]))


def _until() -> dict[str, int]:
    return {TTL_ATTRIBUTE: int((datetime.now(UTC) + EFFECTS_KEPT).timestamp())}
