"""What a policy document says of a request: the part of IAM's rules that our documents use, and an error for any other.

**Source:** IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements: Condition operators".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

_KNOWN = {"Sid", "Effect", "Action", "Resource", "NotResource", "Condition"}


def allowed(document: Mapping[str, Any], action: str, resource: str, **context: str | Sequence[str]) -> bool:
    """Whether a role with only this document may do it. ``context``: condition keys, ``:`` written as ``__``; lists for keys of many."""
    given = {name.replace("__", ":").replace("_", "-"): value for name, value in context.items()}
    effects = {one["Effect"] for one in document["Statement"] if _applies(one, action, resource, given)}
    return effects == {"Allow"}


def _applies(statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str | Sequence[str]]) -> bool:
    assert set(statement) <= _KNOWN, statement
    if not _any_like(action, statement["Action"]):
        return False
    if "NotResource" in statement and _any_like(resource, statement["NotResource"]):
        return False
    if "Resource" in statement and not _any_like(resource, statement["Resource"]):
        return False
    return all(
        _holds(operator, context.get(key), wanted)
        for operator, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    )


def _holds(operator: str, value: str | Sequence[str] | None, wanted: Any) -> bool:
    if operator == "Null":
        return (value is None) == (wanted == "true")
    if operator == "ForAllValues:StringLike":
        return all(_any_like(one, wanted) for one in value or ())
    assert value is None or isinstance(value, str), f"{operator} is for one value"
    if operator == "StringEquals":
        return value is not None and value in ([wanted] if isinstance(wanted, str) else wanted)
    if operator == "StringLike":
        return value is not None and _any_like(value, wanted)
    if operator == "StringNotLike":
        return value is None or not _any_like(value, wanted)
    raise AssertionError(f"{operator} is not known here")


def _any_like(value: str, patterns: str | Sequence[str]) -> bool:
    return any(fnmatchcase(value, one.replace("[", "[[]")) for one in ([patterns] if isinstance(patterns, str) else patterns))
