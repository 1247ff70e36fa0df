"""Vetting names honest mistakes with line and fix."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.tooling.vet import vet

TENANTS = Path(__file__).parents[4] / "tenants"


@pytest.mark.parametrize("folder", sorted(path.name for path in TENANTS.iterdir()))
def test_the_demo_tenants_pass(folder: str) -> None:
    assert vet((TENANTS / folder / "tools.py").read_text()) == ()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("from src.interfaces.base_tool import BaseTool", "from nexus.tools import BaseTool"),
        ("import os", "context.settings"),
        ("import os.path", "context.settings"),
        ("import subprocess", "programs"),
        ("import requests", "httpx"),
        ("from nexus import ports", "nexus.ports"),
        ("from nexus.adapters import memory", "nexus.tools"),
        ("from tenants.other import tools", "nexus.tools"),
        ("from . import other", "relative"),
        ("from urllib import request", "httpx"),
        ("from logging import _os", "public name"),
        ("x = eval('1')", "eval"),
        ("x = __import__('os')", "import statement"),
        ("open('/etc/passwd')", "context.store"),
        ("x = ().__class__.__subclasses__()", "__subclasses__"),
        ("x = (lambda: 0).__globals__", "__globals__"),
        ("x = __builtins__", "__builtins__"),
        ("def broken(:", "syntax"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_fix(line: str, says: str) -> None:
    (fault,) = vet("import json\n" + line + "\n")
    assert fault.startswith("line 2: ")
    assert says in fault


@pytest.mark.parametrize(
    "line",
    ["from nexus.tools import BaseTool", "from nexus import tools", "from urllib import parse", "from urllib.parse import quote",
     "import collections.abc", "import httpx", "from datetime import datetime", "import asyncio"],
)  # fmt: skip
def test_what_tools_need_is_allowed(line: str) -> None:
    assert vet(line + "\n") == ()


def test_all_faults_come_at_once() -> None:
    assert [fault.partition(":")[0] for fault in vet("import os\nimport sys\nx = 1\nexec('2')\n")] == ["line 1", "line 2", "line 4"]


def test_a_huge_file_is_refused() -> None:
    assert "larger" in vet("# " + "x" * 300_000)[0]


@given(st.text(max_size=200))
def test_any_text_is_answered(text: str) -> None:
    assert isinstance(vet(text), tuple)
