"""Zero holes."""

from __future__ import annotations

import re

from control_plane.access.matrix import MATRIX
from control_plane.api.app import operations
from tests.attack import golden
from tests.attack.ground import ground
from tests.attack.suite import attack, every_operation


def test_every_operation_has_its_row() -> None:
    assert {route.operation_id for route in operations()} == set(MATRIX), "an operation without a row, or a row without its operation"


def test_the_matrix_says_what_was_committed() -> None:
    assert golden.FILE.read_text(encoding="utf-8") == golden.words(), "look at the difference, then: python -m tests.attack.golden"
    assert golden.documented() == golden.table(), "look at the difference, then: python -m tests.attack.golden"


async def test_no_attack_gets_through() -> None:
    report = await attack(await ground())
    print(f"\n{report.cases} cases over {len(every_operation())} operations, {len(report.holes)} holes")  # noqa: T201
    assert report.holes == []
    told = re.search(r"([\d,]+) cases over (\d+) operations", golden.SECURITY.read_text(encoding="utf-8"))
    assert told is not None, "docs/security.md tells how many cases there are"
    assert int(told[1].replace(",", "")) <= report.cases, "docs/security.md promises more cases than there are"
