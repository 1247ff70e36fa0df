"""docs/pcm-sidecar.md says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from media_plane.engines.pcm_sidecar import PcmSidecarLimits
from media_plane.engines.pcm_sidecar_wire import MAX_MESSAGE_BYTES, MAX_START_BYTES, FromSidecar, SessionStart, read_event

ROOT = Path(__file__).parents[4]
TEXT = (ROOT / "docs" / "pcm-sidecar.md").read_text(encoding="utf-8")
MESSAGES: tuple[type[BaseModel], ...] = (SessionStart, *get_args(FromSidecar))
EXAMPLES = [json.loads(line) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]


def type_of(message: type[BaseModel]) -> str:
    (name,) = get_args(message.model_fields["type"].annotation)
    return str(name)


@pytest.mark.parametrize("message", MESSAGES, ids=type_of)
def test_every_message_has_a_row_with_all_its_fields_and_an_example(message: type[BaseModel]) -> None:
    row = re.search(rf"^\| `{re.escape(type_of(message))}` \|(.*)\|.*\|$", TEXT, re.MULTILINE)
    assert row, type_of(message)
    missing = [name for name in message.model_fields if name != "type" and f"`{name}`" not in row[1]]
    assert not missing
    assert any(example["type"] == type_of(message) for example in EXAMPLES)


def test_every_row_is_a_message() -> None:
    rows = re.findall(r"^\| `([a-z.]+)` \|.*\|.*\|$", TEXT, re.MULTILINE)
    assert sorted(rows) == sorted(map(type_of, MESSAGES))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["type"])
def test_every_example_is_what_the_code_writes_or_reads(example: dict[str, object]) -> None:
    if example["type"] == "session.start":
        assert json.loads(SessionStart.model_validate_json(json.dumps(example)).model_dump_json()) == example
    else:
        event = read_event(json.dumps(example))
        assert event is not None
        assert set(example) <= set(type(event).model_fields)


def test_the_limits_are_the_codes() -> None:
    limits = PcmSidecarLimits()
    assert f"{MAX_START_BYTES} bytes" in TEXT
    assert MAX_MESSAGE_BYTES == 2**20
    assert f"{limits.mute_ms / 1000:g} s without any message" in TEXT
    assert f"{limits.waiting_ms / 1000:g} s waits" in TEXT
    assert f"{limits.dropped_ms / 1000:g} s dropped in all" in TEXT
    assert f"| answer to Close | {limits.close_ms / 1000:g} s |" in TEXT
