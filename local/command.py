"""How a person calls this command here: the hints that the product prints can be pasted."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def command() -> str:
    """``nexus`` when that is on the path and is this one, else the path to it as seen from here (``.venv/bin/nexus``)."""
    beside = Path(sys.executable).parent / "nexus"
    found = shutil.which("nexus")
    if (found and Path(found).absolute() == beside) or not beside.is_file():
        return "nexus"
    return str(beside.relative_to(Path.cwd())) if beside.is_relative_to(Path.cwd()) else str(beside)
