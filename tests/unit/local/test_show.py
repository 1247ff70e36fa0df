"""Tables for people, of what REST tells."""

from __future__ import annotations

from typing import Any

import pytest

from local.show import session_view
from nexus.domain.session import RecordingTrace

RECORD: dict[str, Any] = {
    "id": "call_1",
    "end_reason": "caller_hung_up",
    "duration_ms": 4200.0,
    "engine": "cascade",
    "turns": [],
    "tools": [],
}


@pytest.mark.parametrize(
    ("trace", "told"),
    [
        ({"status": "stored", "duration_ms": 4180.0, "delete_after": "2026-12-21T10:00:00Z"}, "recording: stored, 4.2 s, until 2026-12-21"),
        ({"status": "refused"}, "recording: refused"),
        ({"status": "failed", "code": "store_unavailable"}, "recording: failed (store_unavailable)"),
        ({}, "recording: disabled"),
    ],
)
def test_a_call_says_what_became_of_its_sound(trace: dict[str, Any], told: str) -> None:
    record = {**RECORD, "recording": RecordingTrace.model_validate(trace).model_dump(mode="json")}
    assert list(session_view(record))[1:] == [told]


def test_an_older_record_says_nothing_of_it() -> None:
    assert len(list(session_view(RECORD))) == 1
