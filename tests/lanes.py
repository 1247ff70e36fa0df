"""The two lanes in which whole calls are tested side by side: each lane is one process, and runs its tests one after the other."""

from __future__ import annotations

import pytest

WAITING = frozenset(
    f"test_{name}.py"
    for name in (
        "bad_input",
        "connect_rates",
        "declared_tools",
        "drain",
        "duplex_claims",
        "duplex_failover",
        "duplex_slots",
        "endings",
        "engines",
        "floor",
        "inherited_tools",
        "killed",
        "live_lines",
        "personaplex_door",
        "personaplex_faults",
        "personaplex_tools",
        "recorded_calls",
        "relay",
        "tools_in_calls",
    )
)
"""Scenarios that leave a core idle for more than half of their time, as measured one by one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each whole call its lane; the rest is spread as it comes. Without ``--dist loadgroup`` it changes nothing."""
    for item in items:
        if item.path.parent.name in ("scenarios", "e2e"):
            item.add_marker(pytest.mark.xdist_group("waiting" if item.path.name in WAITING else "busy"))
