"""How long a refusal says to wait."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nexus.adapters.waiting import LONGEST_S, Hold, wait_s
from tests.fakes.stored import NOON


def hold(left_s: float, *, connected: bool = False) -> Hold:
    return Hold("barber", connected, NOON + timedelta(seconds=left_s))


@pytest.mark.parametrize(
    ("holds", "expected"),
    [
        ([], 10),
        ([hold(42.2)], 43),
        ([hold(60), hold(17)], 17),
        ([hold(240, connected=True)], 240),
        ([hold(240, connected=True)] * 4, 60),
        ([hold(240, connected=True)] * 4 + [hold(30)], 30),
        ([hold(240, connected=True)] * 100, 3),
        ([hold(-5, connected=True)], 1),
        ([hold(3600, connected=True)], LONGEST_S),
    ],
)
def test_the_first_place_that_is_free(holds: list[Hold], expected: int) -> None:
    assert wait_s(holds, NOON) == expected
