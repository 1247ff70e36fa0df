"""Journal to record: every field, redaction, and calls that died."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from media_plane.conversation import recorder
from nexus.domain import journal, session
from nexus.domain.archive import decode_record, encode_record
from nexus.domain.call import CallerTrace, EndReason

BEGAN = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
CALL = "call_01JD0000000000000000000000"


def opened(**changes: object) -> journal.Opened:
    values: dict[str, object] = {
        "call_id": CALL,
        "tenant_id": "shop",
        "config_hash": "sha256:x",
        "engine": "cascade",
        "created_at": BEGAN - timedelta(seconds=1),
        "connected_at": BEGAN,
        "caller": CallerTrace(hash="h", last4="4567"),
        "caller_phone": "+15551234567",
        **changes,
    }
    return journal.Opened.model_validate(values)


def turn(i: int, role: str, text: str, start: float, end: float, **changes: object) -> journal.TurnNoted:
    values = {"i": i, "role": role, "text": text, "heard_text": text, "start_ms": start, "end_ms": end, "heard_ms": end - start, **changes}
    return journal.TurnNoted(turn=session.Turn.model_validate(values))


def whole_call() -> list[journal.JournalEntry]:
    return [
        opened(),
        journal.FirstAudio(at_ms=300),
        turn(0, "agent", "Hello.", 300, 900),
        turn(1, "caller", "I am Dana, call me at 555 123 4567.", 2_000, 4_000, confidence=0.9),
        journal.ToolNoted(use=session.ToolUse(request_id="t1", name="book", turn=1, arguments={"phone": "555 123 4567"}, started_ms=4_500)),
        journal.ToolNoted(
            use=session.ToolUse(
                request_id="t1",
                effect_id="ef",
                name="book",
                turn=1,
                arguments={"phone": "555 123 4567"},
                output="Booked.",
                status="done",
                started_ms=4_500,
                duration_ms=120,
            )
        ),
        turn(2, "agent", "Booked for you tomorrow.", 5_000, 6_000, heard_text="Booked for", heard_ms=500, interrupted=True),
        journal.Interrupted(at_ms=5_400, stop_ms=180),
        journal.FaultNoted(fault=session.CallFault(code="model_failed", stage="dialogue", at_ms=4_600)),
        journal.Ended(at_ms=8_000, reason=EndReason.CALLER_HANGUP, caller_talk_ms=2_000, agent_talk_ms=1_100, overlap_ms=180),
    ]


def fold(entries: Sequence[journal.JournalEntry]) -> tuple[session.SessionRecord, session.PrivateTranscript]:
    folded = recorder.fold(entries)
    assert folded is not None
    return recorder.record(folded, ended_at=BEGAN + timedelta(seconds=60))


def test_the_original_blocks_keep_their_names_and_meaning() -> None:
    record, _ = fold(whole_call())
    assert record.session_id == record.id == CALL
    assert record.meta.model_dump() == {
        "tenant_id": "shop",
        "start_time": BEGAN,
        "end_time": BEGAN + timedelta(seconds=8),
        "duration_seconds": 8.0,
        "status": "COMPLETED",
    }
    assert record.statistics.model_dump() == {
        "user_messages": 1,
        "ai_messages": 2,
        "tool_calls": 1,
        "errors": 1,
        "total_events": len(record.transcript),
    }
    kinds = [(event.role, event.type) for event in record.transcript]
    assert kinds == [
        ("system", "connection_established"),
        ("ai", "text"),
        ("user", "text"),
        ("system", "error"),
        ("tool", "execution"),
        ("ai", "text"),
        ("system", "barge_in"),
        ("system", "session_ended"),
    ]


def test_only_what_was_heard_is_in_the_transcript() -> None:
    record, _ = fold(whole_call())
    said = [event.content for event in record.transcript if event.role == "ai"]
    assert said == ["Hello.", "Booked for"]
    assert record.turns[2].heard_text == "Booked for"


def test_the_record_is_redacted_and_the_private_transcript_is_not() -> None:
    record, private = fold(whole_call())
    public = encode_record(record).decode()
    assert "4567" not in public.replace('"last4": "4567"', "")
    assert record.redaction.counts["phone"] == 2
    assert private.turns[1].text == "I am Dana, call me at 555 123 4567."
    assert private.tools[0].arguments == {"phone": "555 123 4567"}
    assert private.caller_phone == "+15551234567"
    assert private.delete_after == BEGAN + timedelta(seconds=8, days=30)


def test_times_percentiles_and_talk() -> None:
    record, _ = fold(whole_call())
    assert record.first_audio_at == BEGAN + timedelta(milliseconds=300)
    assert record.talk_ms == session.TalkTime(caller=2_000, agent=1_100, overlap=180, silence=8_000 - 2_000 - 1_100 + 180)
    assert record.latency_ms["barge_in_stop"].p95 == 180
    assert record.latency_ms["tool"].max == 120
    assert record.interruptions == session.Interruptions(caller=1, false=0)


def test_a_false_alarm_is_counted_apart() -> None:
    entries = whole_call()
    entries.insert(8, journal.Interrupted(at_ms=5_400, stop_ms=180, false_alarm=True))
    record, _ = fold(entries)
    assert record.interruptions == session.Interruptions(caller=0, false=1)
    assert all(event.type != "barge_in" for event in record.transcript)


def test_a_call_whose_process_died_is_lost_and_keeps_everything_said() -> None:
    entries = [entry for entry in whole_call() if not isinstance(entry, journal.Ended)]
    del entries[5]  # the tool never came back
    record, _ = fold(entries)
    assert (record.end_reason, record.status, record.meta.status) == (EndReason.LOST, "failed", "ERROR")
    assert record.ended_at == BEGAN + timedelta(seconds=60)
    assert record.turns[0].text == "Hello."
    assert record.tools[0].status == "unknown"
    assert record.error is not None


def test_turns_that_became_certain_out_of_order_are_recorded_in_the_order_of_time() -> None:
    """A full-duplex model answers before the question is transcribed; the tool stays with the question."""
    use = session.ToolUse(request_id="t1", name="book", turn=1, status="done", started_ms=3_300, duration_ms=100)
    record, private = fold(
        [
            opened(),
            turn(0, "agent", "Let me see.", 2_150, 2_750),
            turn(1, "caller", "Is ten free?", 1_000, 2_200),
            journal.ToolNoted(use=use),
            turn(2, "agent", "It is.", 3_500, 4_000),
            journal.Ended(at_ms=5_000, reason=EndReason.CALLER_HANGUP),
        ]
    )
    for told in (record, private):
        assert [(one.i, one.text) for one in told.turns] == [(0, "Is ten free?"), (1, "Let me see."), (2, "It is.")]
        assert told.tools[0].turn == 0
    assert [event.content for event in record.transcript if event.type == "text"] == ["Is ten free?", "Let me see.", "It is."]
    stamps = [event.timestamp for event in record.transcript]
    assert stamps == sorted(stamps)


def test_rotations_and_slot_time_are_on_record() -> None:
    rotation = session.EngineRotation(generation=2, at_ms=200_000, gap_ms=40, reason="window")
    ended = journal.Ended(at_ms=300_000, reason=EndReason.CALLER_HANGUP, slot_ms=340_000)
    record, _ = fold([opened(), journal.RotationNoted(rotation=rotation), ended])
    assert record.engine_rotations == (rotation,)
    assert record.slot_ms == 340_000


def test_a_journal_without_a_beginning_gives_nothing() -> None:
    assert recorder.fold(whole_call()[1:]) is None
    assert recorder.fold([]) is None


def test_a_record_survives_its_archive_form() -> None:
    record, _ = fold(whole_call())
    assert decode_record(encode_record(record)) == record


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=200))
def test_percentiles_are_values_that_occurred_in_order(values: list[float]) -> None:
    result = recorder.percentiles(values)
    ranks = [result.p50, result.p90, result.p95, result.p99, result.max]
    assert ranks == sorted(ranks)
    rounded = {round(value, 1) for value in values}
    assert all(rank in rounded for rank in ranks)
    assert result.n == len(values)


@given(st.integers(min_value=1, max_value=9))
def test_any_prefix_of_a_journal_folds(length: int) -> None:
    record, _ = fold(whole_call()[:length])
    assert record.end_reason in (EndReason.LOST, EndReason.CALLER_HANGUP)
    assert len(record.transcript) >= 2
