"""The spans of a call: the same wherever they are made, each inside its parent, and nothing that anybody said in any of them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.domain.call import CallerTrace, EndReason
from nexus.domain.call_spans import LEFT_OUT, call_spans, lead_span
from nexus.domain.session import (
    EngineRotation,
    Interruptions,
    ModeChange,
    RecordedError,
    SessionRecord,
    StageTimes,
    ToolUse,
    TranscriptEvent,
    Turn,
)
from nexus.domain.trace import Span, span_id_of, trace_id_of, word
from tests.fakes.finished_calls import TALKS
from tests.fakes.stored import NOON, analysis, call_id, record

CARD, PHONE, NAME = "4111 1111 1111 1111", "+49 30 5550 1234", "Dana-Rosenbaum"
SAID = f"I am {NAME}, my card is {CARD}, call {PHONE}"

moments = st.floats(-5_000, 90_000, allow_nan=False)
lengths = st.floats(0, 30_000, allow_nan=False)
stages = st.builds(
    lambda told: StageTimes(
        **dict(zip(("silence_wait", "stt", "dialogue", "first_sentence", "transport"), told, strict=True)), e2e=sum(told)
    ),
    st.tuples(*[lengths] * 5),
)
turns = st.lists(
    st.builds(
        lambda role, at, long, told, engine: Turn(
            i=0, role=role, start_ms=at, end_ms=at + long, text=SAID, heard_text=SAID, stages=told, engine=engine
        ),
        st.sampled_from(["caller", "agent"]),
        moments,
        lengths,
        st.none() | stages,
        st.sampled_from(["cascade", "", SAID]),
    ),
    max_size=8,
).map(lambda found: tuple(one.model_copy(update={"i": i}) for i, one in enumerate(found)))
tools = st.lists(
    st.builds(
        ToolUse,
        request_id=st.just(SAID),
        effect_id=st.just(SAID),
        name=st.sampled_from(["book", SAID, CARD, PHONE]),
        turn=st.integers(0, 9),
        arguments=st.just({SAID: SAID, "card": CARD}),
        output=st.just(SAID),
        status=st.sampled_from(["done", "failed", "unknown", "refused"]),
        started_ms=moments,
        duration_ms=lengths,
        error_code=st.sampled_from(["tool_timeout", "", SAID]),
    ),
    max_size=4,
).map(tuple)
changes = st.lists(
    st.builds(ModeChange, to=st.sampled_from(["voice", "text_only"]), reason=st.sampled_from(["engine_lost", SAID]), at_ms=moments),
    max_size=4,
).map(tuple)
rotations = st.lists(
    st.builds(EngineRotation, generation=st.integers(1, 9), at_ms=moments, gap_ms=lengths, reason=st.sampled_from(["window", SAID])),
    max_size=3,
).map(tuple)


@st.composite
def records(draw: st.DrawFn) -> SessionRecord:
    """Any record, with private things wherever a text may stand, and clocks of several machines."""
    connected = NOON + timedelta(milliseconds=draw(moments))
    failed = draw(st.booleans())
    told: dict[str, Any] = {
        "created_at": NOON,
        "connected_at": connected,
        "first_audio_at": draw(st.none() | moments.map(lambda at: connected + timedelta(milliseconds=at))),
        "ended_at": connected + timedelta(milliseconds=draw(lengths)),
        "turns": draw(turns),
        "tools": draw(tools),
        "mode_changes": draw(changes),
        "engine_rotations": draw(rotations),
        "status": "failed" if failed else "completed",
        "error": RecordedError(code=draw(st.sampled_from(["engine_lost", SAID])), stage=SAID, message=SAID) if failed else None,
        "caller": CallerTrace(hash="c0ffee" * 5, last4="1234"),
        "channel": draw(st.sampled_from(["websocket", SAID])),
        "voice_id": SAID,
        "metadata": {"customer": SAID, NAME: PHONE},
        "transcript": (TranscriptEvent(timestamp=NOON, role="user", type="text", content=SAID),),
    }
    return record(7).model_copy(update=told)


@given(records(), st.integers(2, 40))
def test_each_span_lies_inside_its_parent_which_comes_before_it(given: SessionRecord, most: int) -> None:
    for spans in (call_spans(given), call_spans(given, most)):
        seen: dict[str, Span] = {}
        for span in spans:
            assert span.start <= span.end
            if seen:
                around = seen[span.parent_id]
                assert around.start <= span.start and span.end <= around.end, span.name
            assert span.span_id not in seen
            seen[span.span_id] = span
        assert [span.name for span in spans if not span.parent_id] == ["call"]


@given(records())
def test_the_same_record_gives_the_same_trace_wherever_it_is_read(given: SessionRecord) -> None:
    again = SessionRecord.model_validate_json(given.model_dump_json())
    assert call_spans(again) == call_spans(given)
    assert {span.trace_id for span in call_spans(given)} == {trace_id_of(given.id)} == {lead_span(analysis(7)).trace_id}


@given(records())
def test_nothing_that_was_said_typed_or_called_stands_in_a_span(given: SessionRecord) -> None:
    lead = lead_span(
        analysis(7, customer_name=NAME, customer_phone=PHONE, summary=SAID).model_copy(update={"status": "fallback", "error": SAID})
    )
    for span in (*call_spans(given), lead):
        told = repr((span.name, span.error, dict(span.attributes)))
        assert not any(private in told for private in (CARD, PHONE, NAME, "c0ffee", "1234"))
        assert re.sub(r"\D", "", CARD) not in re.sub(r"\D", "", told)


@pytest.mark.parametrize("said", [SAID, CARD, PHONE, "1234", "dana@example.com", "two words", "", "a" * 200, "line\nbreak"])
def test_only_words_of_programs_get_through(said: str) -> None:
    assert word(said) == ""


def test_a_traces_id_is_of_the_second_in_which_the_call_was_ordered() -> None:
    found = trace_id_of(call_id(1))
    assert re.fullmatch(r"[0-9a-f]{32}", found) and int(found[:8], 16) == 1_763_000_000
    assert found != trace_id_of(call_id(2)) and found[8:] == trace_id_of(call_id(1))[8:]
    assert re.fullmatch(r"[0-9a-f]{16}", span_id_of(call_id(1), "call"))
    assert trace_id_of("no id at all")[:8] == "00000000", "a log line is written for whatever is at hand"


def test_an_answers_stages_stand_before_its_voice() -> None:
    told = StageTimes(silence_wait=200, stt=100, dialogue=300, first_sentence=0, transport=50, e2e=650)
    turn = Turn(i=1, role="agent", start_ms=5_000, end_ms=8_000, text="x", heard_text="x", stages=told)
    spans = call_spans(record(1).model_copy(update={"turns": (turn,)}))
    at = {span.name: ((span.start - NOON).total_seconds(), (span.end - NOON).total_seconds()) for span in spans}
    assert at["agent turn"] == (4.35, 8.0)
    assert [at[name] for name in ("wait for silence", "speech to text", "dialogue", "transport", "agent speaks")] == [
        (4.35, 4.55),
        (4.55, 4.65),
        (4.65, 4.95),
        (4.95, 5.0),
        (5.0, 8.0),
    ]
    assert "first sentence" not in at, "what took no time is no span"


def test_a_call_without_a_voice_for_a_while() -> None:
    talk = next(talk for talk in TALKS if len([one for one in talk.happened if one.kind == "mode"]) == 2)
    changed = (ModeChange(to="text_only", reason="engine_lost", at_ms=9_000), ModeChange(to="voice", reason="engine_back", at_ms=12_000))
    (gap,) = [one for one in call_spans(record(talk.number).model_copy(update={"mode_changes": changed})) if one.name == "text only"]
    assert (gap.end - gap.start, gap.attributes["nexus.mode.reason"]) == (timedelta(seconds=3), "engine_lost")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({}, ""),
        ({"end_reason": EndReason.CALLER_LOST, "status": "abandoned"}, ""),
        ({"end_reason": EndReason.DRAINING_FORCED, "status": "abandoned"}, "draining_forced"),
        ({"end_reason": EndReason.LOST, "status": "failed"}, "lost"),
        ({"status": "failed", "error": RecordedError(code="engine_lost", stage="engine", message="gone")}, "engine_lost"),
    ],
)
def test_a_call_that_went_wrong_says_so(changed: dict[str, Any], error: str) -> None:
    call, _, session, *_ = call_spans(record(1).model_copy(update=changed))
    assert (call.name, session.name, call.error, session.error) == ("call", "session", error, error)
    assert call.attributes.get("error.type", "") == error


@pytest.mark.parametrize(
    ("status", "error"), [("done", ""), ("refused", ""), ("failed", "tool_failed"), ("unknown", "tool_outcome_unknown")]
)
def test_a_tool_that_refuses_has_not_failed(status: Any, error: str) -> None:
    use = ToolUse(request_id="r", name="book", turn=0, status=status, started_ms=100, duration_ms=40)
    (span,) = [one for one in call_spans(record(1).model_copy(update={"tools": (use,)})) if one.name == "execute_tool book"]
    assert (span.error, span.attributes["gen_ai.tool.name"]) == (error, "book")


def test_each_reading_is_a_span_of_its_own() -> None:
    first = analysis(1).model_copy(update={"started_at": NOON - timedelta(seconds=2)})
    again = first.model_copy(update={"reading": 2})
    assert lead_span(first).span_id != lead_span(again).span_id
    assert lead_span(first).parent_id == lead_span(again).parent_id == call_spans(record(1))[0].span_id
    assert lead_span(first).end - lead_span(first).start == timedelta(seconds=2)
    assert lead_span(analysis(1)).start == NOON, "one of the first release, which kept no beginning"


def test_of_a_very_long_call_the_innermost_and_latest_are_left_out() -> None:
    told = StageTimes(dialogue=100, e2e=100)
    many = tuple(
        Turn(i=i, role="agent", start_ms=10.0 * i + 200, end_ms=10.0 * i + 205, text="x", heard_text="x", stages=told) for i in range(900)
    )
    spans = call_spans(record(1).model_copy(update={"turns": many, "interruptions": Interruptions(caller=2)}))
    assert len(spans) == 1_000
    assert len([span for span in spans if span.name == "agent turn"]) == 900
    (session,) = [span for span in spans if span.name == "session"]
    assert session.attributes[LEFT_OUT] == 3 + 900 * 3 - 1_000
