"""How a function of Lambda is named among constructs and alarms."""

from __future__ import annotations


def title(module: str) -> str:
    """``after_call``: ``AfterCall``."""
    return "".join(word.capitalize() for word in module.split("_"))
