"""A spoken booking beside a full-duplex model: the command starts its stand-ins, real ears and voices on both sides, a real calendar."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.product import BARBER, ROOT, product, shop_day

SPEECH = ROOT / "tests" / "golden" / "speech"
LINES = ("hello_short", "caller_book_haircut", "caller_name", "caller_phone", "caller_yes", "caller_goodbye")


@pytest.mark.speech
async def test_a_booking_is_spoken_beside_the_model_and_stands_in_the_calendar_once(tmp_path: Path) -> None:
    with product(tmp_path, "--engine", "personaplex") as running:
        assert "stand-in" in running.log
        files = [str(SPEECH / f"{line}.wav") for line in LINES]
        told = running.nexus("call", BARBER, "--wav", *files, "--out", str(tmp_path / "heard.wav"))
        assert told.returncode == 0, told.stdout + told.stderr
        found = re.search(r"call_[0-9A-Z]{26}", told.stdout)
        assert found is not None, told.stdout
        record = await running.record(found[0])
        taken = await running.calendar()

    words = [f"{turn['role']}: {turn['heard_text']}" for turn in record["turns"]]
    assert record["engine"] == "personaplex", words
    assert [tool["status"] for tool in record["tools"] if tool["name"] == "book_appointment"] == ["done"], words
    assert [entry.key for entry in taken if shop_day(1) in entry.key and "10:30" in entry.key], (words, taken)
    assert len(taken) == 1
    assert {turn["engine"] for turn in record["turns"] if turn["role"] == "agent"} == {"personaplex"}
    assert record["slot_ms"] > record["duration_ms"] * 0.9  # a process of the model was held for the whole call
    assert record["mode_changes"] == []
    assert not [event for event in record["transcript"] if event.get("event") == "error"]
