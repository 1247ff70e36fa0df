"""Every code that the source raises has its number, and docs/errors.md tells exactly those codes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus import errors
from nexus.errors import CLOSE_CODE, HTTP_STATUS, NexusError

ROOT = Path(__file__).parents[3]
ROOMS = ("nexus", "media_plane", "control_plane", "local")
ERROR_CLASSES = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, NexusError)}
CARRIERS = ERROR_CLASSES | {"CallFault", "RecordedError"}
CODE = re.compile(r"[a-z]+(_[a-z]+)*")


def codes_in(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every literal code given to an error or to a recorded fault, with its line; ``a if b else c`` gives both."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in CARRIERS:
            named = [one.value for one in node.keywords if one.arg == "code"]
            for given in [*node.args[:1], *named]:
                yield from ((code, node.lineno) for code in _texts(given))
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "error_code":
                    yield from ((code, node.lineno) for code in _texts(value))


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""


def _texts(value: ast.expr) -> list[str]:
    choices = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
    return [one.value for one in choices if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def documented() -> dict[str, tuple[str, str, str, str]]:
    rows = [
        line.strip("| ").split(" | ") for line in (ROOT / "docs" / "errors.md").read_text("utf-8").splitlines() if line.startswith("| `")
    ]
    assert all(len(row) == 5 for row in rows)
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0].strip("`"): (row[1], row[2], row[3], row[4]) for row in rows}


def test_the_walk_sees_every_form() -> None:
    """The proof of the proof: a code in each form that the house uses."""
    source = (
        'raise E.NotFound("a", "x")\nConflict(code="b", public_message="y")\nUpstreamError("c" if z else "d", "w")\nu = {"error_code": "e"}'
    )
    assert {code for code, _ in codes_in(ast.parse(source))} == {"a", "b", "c", "d", "e"}


@pytest.mark.parametrize("room", ROOMS)
def test_every_code_used_has_its_number(room: str) -> None:
    paths = sorted((ROOT / room).rglob("*.py"))
    used = [(code, f"{path.relative_to(ROOT)}:{line}") for path in paths for code, line in codes_in(ast.parse(path.read_text("utf-8")))]
    assert used, "the walk found nothing; it looks in the wrong place"
    assert [(code, where) for code, where in used if code not in HTTP_STATUS] == []


def test_numbers_are_numbers_of_errors() -> None:
    assert all(CODE.fullmatch(code) for code in HTTP_STATUS)
    assert all(400 <= status <= 599 for status in HTTP_STATUS.values())
    assert set(CLOSE_CODE) <= set(HTTP_STATUS)
    assert all(code in (1001, 1009, 1011, 1013) or 4400 <= code <= 4499 for code in CLOSE_CODE.values())


def test_a_close_code_of_ours_says_the_same_as_the_http_status() -> None:
    """4404 is our 404. Only what is unreadable differs: corrupt audio closes like an unspoken codec."""
    differing = {code for code, close in CLOSE_CODE.items() if close >= 4400 and close - 4000 != HTTP_STATUS[code]}
    assert differing == {"audio_corrupt"}


def test_the_document_lists_exactly_the_codes_with_their_numbers() -> None:
    told = {code: (http, close) for code, (http, close, _, _) in documented().items()}
    assert told == {code: (str(status), str(CLOSE_CODE.get(code, "–"))) for code, status in HTTP_STATUS.items()}


def test_the_document_says_what_it_means_and_who_acts() -> None:
    for code, (_, _, meaning, who) in documented().items():
        assert meaning.endswith("."), code
        assert re.match(r"(client|operator|tenant admin|nobody)\b", who), code


def test_an_error_says_its_code_and_its_sentence() -> None:
    error = errors.NotFound("tenant_not_found", "There is no tenant 'x'.")
    assert (error.code, error.public_message, error.retryable, str(error)) == (
        "tenant_not_found",
        "There is no tenant 'x'.",
        False,
        "tenant_not_found: There is no tenant 'x'.",
    )


def test_who_may_simply_try_again() -> None:
    assert errors.QuotaExceeded("no_engine_slot", "Full.").retryable
    assert errors.QuotaExceeded("no_engine_slot", "Full.", retry_after_s=9).retry_after_s == 9
    assert errors.Unavailable("store_unavailable", "Full.").retryable
    assert errors.UpstreamError("engine_lost", "Gone.").retryable
    assert not errors.UpstreamError("model_failed", "No key.", retryable=False).retryable
    assert not errors.Conflict("conflict", "First.").retryable
    assert not errors.ToolError("tool_failed", "No.", spoken="Sorry.").retryable
