"""The suite finds every hole that is planted: otherwise its silence would prove nothing."""

from __future__ import annotations

import logging

import pytest

from tests.attack.golden import SECURITY
from tests.attack.ground import ground
from tests.attack.holes import HOLES, Hole
from tests.attack.suite import attack

AT = frozenset({"listTenants", "createCall", "listSessions", "getSession", "listLeads", "createApiKey", "initSession", "getLiveness"})
"""Enough operations for every planted hole, so that forty runs stay quick."""


async def test_the_sound_house_has_none() -> None:
    assert (await attack(await ground(), AT)).holes == []


@pytest.mark.parametrize("hole", HOLES, ids=lambda hole: hole.name)
async def test_the_suite_finds(hole: Hole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("nexus"), "propagate", False)
    hole.plant(monkeypatch)
    report = await attack(await ground(), AT, stops=True)
    assert report.holes, f"not noticed: {hole.name}"


def test_there_are_enough() -> None:
    assert len(HOLES) >= 20 and len({hole.name for hole in HOLES}) == len(HOLES)
    assert f"{len(HOLES)} planted holes" in SECURITY.read_text(encoding="utf-8")
