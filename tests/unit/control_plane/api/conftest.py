"""The house at whose door the API tests knock: over memory, over files and SQLite, over a table and a bucket of AWS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from control_plane.wiring import Stores
from tests.aws import aws
from tests.fakes.control_plane import House, aws_stores, disk_stores, house, memory_stores


@pytest.fixture(params=["memory", "disk", "moto"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    """The same tests hold over all of them."""
    match request.param:
        case "memory":
            return memory_stores()
        case "disk":
            return disk_stores(tmp_path)
    return aws_stores(aws(request))


@pytest.fixture
async def door(stores: Stores) -> AsyncIterator[House]:
    built = house(stores)
    await built.engine_slots(2)
    async with built.client:
        yield built
