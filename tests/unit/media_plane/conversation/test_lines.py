"""Lines from outside: said now or next, known to whichever engine carries the call, noted once, never lost between two engines."""

from __future__ import annotations

from typing import Any

import pytest

from media_plane.conversation import commands as do
from media_plane.conversation import events as ev
from media_plane.conversation.recorder import fold, record
from nexus.domain.call import EndReason, LineOrder
from nexus.domain.journal import LineNoted, Opened
from tests.fakes.stored import NOON, call_id
from tests.unit.media_plane.conversation.timeline import TEXT, VOICE, Timeline, tenant


def line(text: str = "We close at five.", kind: Any = "say", mode: Any = "next", number: int = 1) -> ev.LineOrdered:
    return ev.LineOrdered(LineOrder(order_id=f"order_{number}", kind=kind, text=text, mode=mode))


def quiet_call() -> Timeline:
    call = Timeline(tenant(greeting=""))
    call.at(0, VOICE)
    return call


def noted(call: Timeline) -> list[tuple[str, str, float]]:
    return [(entry.line.order_id, entry.line.kind, entry.line.at_ms) for entry in call.entries if isinstance(entry, LineNoted)]


@pytest.mark.parametrize("mode", ["now", "next"])
def test_in_a_pause_it_is_said_at_once(mode: str) -> None:
    call = quiet_call()
    assert call.at(2_000, line(mode=mode))[-1] == do.SendToEngine(do.Say("We close at five."))
    assert noted(call) == [("order_1", "say", 2_000.0)]
    assert call.all(do.StopPlayout) == []


def test_now_takes_the_place_of_what_is_being_said_and_next_waits_for_it() -> None:
    call = quiet_call()
    call.agent_says(1_000, "e1", ("A long answer.", 5_000))
    call.at(1_500, line(mode="next"))
    assert call.all(do.StopPlayout) == []
    commands = call.at(2_000, line("Stop.", mode="now", number=2))
    assert [type(command) for command in commands] == [do.Note, do.StopPlayout, do.SendToEngine]


def test_what_a_now_cut_off_is_not_taken_up_again() -> None:
    call = quiet_call()
    call.agent_says(1_000, "e1", ("First sentence.", 1_000), ("Second sentence.", 4_000))
    call.at(2_500, line(mode="now"))
    call.at(2_500, ev.PlayoutStopped("e1", 1_500.0))
    call.caller_says(4_000, 4_300, "uh-huh")
    assert [value.text for value in call.sent() if isinstance(value, do.Say)] == ["We close at five."]


def test_an_injected_note_is_known_to_this_engine_and_to_the_next_and_heard_by_nobody() -> None:
    call = quiet_call()
    assert call.at(2_000, line("The caller is a regular.", "inject"))[-1] == do.SendToEngine(do.Inform("The caller is a regular."))
    assert call.machine.notes == ("The caller is a regular.",)
    assert not any(isinstance(value, do.Say) for value in call.sent())


def test_lines_that_come_before_the_first_engine_wait_for_it() -> None:
    call = Timeline()
    assert call.at(100, line(), line("Known.", "inject", number=2)) == []
    call.at(900, VOICE)
    assert [value.text for value in call.sent() if isinstance(value, do.Say | do.Inform)] == ["Hello there.", "We close at five.", "Known."]
    assert [at_ms for _, _, at_ms in noted(call)] == [900.0, 900.0]


def test_lines_that_come_between_two_engines_wait_for_the_second() -> None:
    call = quiet_call()
    call.at(1_000, ev.EngineFailed("engine_lost", "gone"))
    assert call.at(1_500, line()) == []
    call.at(2_000, TEXT)
    assert do.Say("We close at five.") in call.sent()
    assert noted(call) == [("order_1", "say", 2_000.0)]


def test_a_call_that_is_over_takes_none() -> None:
    call = quiet_call()
    call.at(1_000, ev.CallerLeft("hangup"))
    assert call.at(1_100, line()) == []


def test_a_line_is_input_too_nobody_is_asked_whether_they_are_there() -> None:
    call = Timeline(tenant(greeting="", limits={"no_input_s": 3}, phrases={"no_input": ["Are you there?"]}))
    call.at(0, VOICE)
    call.at(2_900, line())
    call.at(3_500, ev.Tick())
    assert do.Say("Are you there?") not in call.sent()


def test_the_record_holds_them_redacted() -> None:
    call = quiet_call()
    call.at(2_000, line("Call 050-123 4567 back."), line("Card 4111 1111 1111 1111.", "inject", number=2))
    opened = Opened(call_id=call_id(1), tenant_id="shop", config_hash="sha256:0", engine="cascade", created_at=NOON, connected_at=NOON)
    call.at(3_000, ev.CallerLeft("hangup"))
    call.finish(3_000)
    folded = fold([opened, *call.entries])
    assert folded is not None
    kept, _ = record(folded, ended_at=NOON, default_reason=EndReason.LOST)
    assert [(one.order_id, one.kind, one.mode) for one in kept.lines] == [("order_1", "say", "next"), ("order_2", "inject", "next")]
    assert "4567" not in kept.lines[0].text and "4111" not in kept.lines[1].text
