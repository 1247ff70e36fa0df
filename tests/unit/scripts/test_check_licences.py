"""Which licences pass: one side of every OR, all of every AND."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_FILE = Path(__file__).parents[3] / "scripts" / "check_licences.py"
_spec = importlib.util.spec_from_file_location("check_licences", _FILE)
assert _spec is not None and _spec.loader is not None
check_licences = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(check_licences)


@pytest.mark.parametrize(
    "licence",
    ["MIT", "Apache-2.0 AND MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "MIT; BSD License", "Python Software Foundation License"],
)
def test_allowed(licence: str) -> None:
    assert check_licences.allowed(licence)


@pytest.mark.parametrize("licence", ["GPL-3.0", "MIT AND GPL-3.0", "MIT/GPL-3.0", "GPL-3.0/Apache-2.0", "UNKNOWN", ""])
def test_refused(licence: str) -> None:
    assert not check_licences.allowed(licence)
