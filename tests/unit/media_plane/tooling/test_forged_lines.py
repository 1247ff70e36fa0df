"""A child that writes the platform's protocol itself gets no further than a fault that is told."""

from __future__ import annotations

import pytest

from tests.fakes.tool_bench import bench

FORGE = """
import logging
o = getattr(logging, "o" + "s")
for number in range(3, 12):
    try:
        o.write(number, {line!r})
    except OSError:
        pass
"""


@pytest.mark.parametrize(
    "line",
    [
        '{"tools": [{"name": [], "description": "x", "parameters": {}, "effect": "read"}], "faults": []}',
        '{"tools": [{"name": "bad", "description": "x", "parameters": 5, "effect": "read"}], "faults": []}',
        '{"tools": [{"name": "bad", "description": "x", "parameters": {}, "effect": "own"}], "faults": []}',
        '{"tools": [{"name": "a b", "description": "x", "parameters": {}, "effect": "read"}], "faults": []}',
        "[" * 100_000,
        "not json",
        "[]",
    ],
)
async def test_a_forged_description_loads_nothing(line: str) -> None:
    async with bench({"bad": FORGE.format(line=(line + "\n").encode())}) as given:
        tools = given.tools("bad", "bad")
        assert await tools.tools() == ()
        assert "did not load" in (await tools.faults())[0]
