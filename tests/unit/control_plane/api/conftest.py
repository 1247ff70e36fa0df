"""The house at whose door the API tests knock: once over memory, once over files and SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.control_plane import House, disk_stores, house, memory_stores


@pytest.fixture(params=["memory", "disk"])
async def door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    built = house(memory_stores() if request.param == "memory" else disk_stores(tmp_path))
    await built.engine_slots(2)
    async with built.client:
        yield built
