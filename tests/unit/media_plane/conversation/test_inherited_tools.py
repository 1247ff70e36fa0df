"""A tool that outlives the engine that asked for it: its outcome reaches the next one, once, and nothing is asked for again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from media_plane.conversation import commands as do
from media_plane.conversation import events as ev
from nexus.domain import journal
from tests.unit.media_plane.conversation.timeline import VOICE, Timeline, tenant

WISH = {"time": "10:00"}
OUTPUT = "Booked for ten."


def ready(known: int = 0) -> ev.EngineReady:
    return ev.EngineReady("cascade", voice=True, own_turns=False, reason="engine_lost", known_outcomes=known)


def wished() -> Timeline:
    """A caller has asked for something, and the tool for it runs."""
    call = Timeline(tenant(first_speaker="caller"))
    call.at(0, VOICE)
    call.caller_says(1_000, 2_000, "Book me in at ten.")
    call.at(3_000, ev.ToolRequested("t1", "book", WISH))
    return call


def done(request_id: str = "t1") -> ev.ToolFinished:
    return ev.ToolFinished(request_id, "effect", "done", OUTPUT)


def inherited(*, owed: bool = True) -> do.ToolAnswer:
    return do.ToolAnswer("tool_1", OUTPUT, False, "book", WISH, owed)


def answers(commands: list[do.Command]) -> list[do.EngineInput]:
    return [one.value for one in commands if isinstance(one, do.SendToEngine) and isinstance(one.value, do.ToolAnswer)]


def test_a_tool_that_ends_after_the_change_is_told_to_the_new_engine() -> None:
    call = wished()
    call.at(3_200, ev.EngineFailed("engine_lost", "gone"))
    new = call.at(3_300, ready())
    assert answers(new) == []
    assert answers(call.at(5_000, done())) == [inherited()]


def test_the_new_engine_is_not_asked_what_the_tool_will_answer() -> None:
    call = wished()
    new = call.at(3_300, ready())
    assert not any(isinstance(one, do.SendToEngine) and isinstance(one.value, do.CallerTurn) for one in new)
    assert len(call.all(do.RunTool)) == 1


def test_the_caller_hears_fillers_while_it_runs_on() -> None:
    call = wished()
    call.at(3_300, ready())
    call.at(4_000, ev.Tick())
    assert do.Say("One moment, please.", remember=False) in call.sent()


def test_what_ended_while_nobody_carried_the_call_is_told_at_once_and_once() -> None:
    call = wished()
    call.at(3_200, ev.EngineFailed("engine_lost", "gone"))
    call.at(3_250, done())
    assert answers(call.at(3_300, ready(known=0))) == [inherited()]
    call.agent_says(3_500, "e2a1", ("You are booked for ten.", 900.0))
    assert answers(call.at(9_000, ready(known=1))) == []


def test_what_the_brief_held_but_nobody_told_the_caller_is_told() -> None:
    call = wished()
    call.at(3_100, done())
    call.at(3_200, ev.EngineFailed("engine_lost", "gone"))
    assert call.machine.outcomes == (do.ToolOutcome("tool_1", "book", WISH, OUTPUT, False, 3_000),)
    assert answers(call.at(3_300, ready(known=1))) == [inherited()]


def test_what_the_caller_heard_meanwhile_is_a_fact_only() -> None:
    """Text carried the call while a voice engine got ready: its brief was made before the tool ended."""
    call = wished()
    call.at(3_100, done())
    call.agent_says(3_400, "e1a1", ("You are booked for ten.", 900.0))
    assert answers(call.at(6_000, ready(known=0))) == [inherited(owed=False)]


def test_a_filler_and_the_word_about_the_change_tell_of_no_outcome() -> None:
    call = wished()
    call.at(3_900, ev.Tick())
    call.at(4_000, done())
    call.agent_says(4_050, "e1a1", ("One moment, please.", 500.0))
    call.at(4_100, ready(known=1))
    call.agent_says(4_200, "e2a1", ("Sorry about that, I'm back.", 500.0))
    assert answers(call.at(4_300, ready(known=1))) == [inherited()]


def test_what_the_caller_said_after_it_is_asked_again() -> None:
    call = wished()
    call.at(3_100, ev.CallerTyped("And do you have parking?"))
    new = call.at(3_300, ready())
    assert do.SendToEngine(do.CallerTurn("And do you have parking?", typed=True)) in new
    assert answers(call.at(5_000, done())) == [inherited()]


def test_a_failure_is_inherited_as_one() -> None:
    call = wished()
    call.at(3_300, ready())
    new = call.at(4_000, ev.ToolFinished("t1", "effect", "failed", "Traceback", "That did not work.", "tool_failed"))
    assert answers(new) == [do.ToolAnswer("tool_1", "That did not work.", True, "book", WISH)]


def test_an_engine_that_counts_its_requests_anew_does_not_take_the_place_of_the_running_one() -> None:
    call = wished()
    call.at(3_300, ready())
    second = call.at(3_400, ev.ToolRequested("t1", "look", {}))
    assert do.RunTool("t1/tool_2", "look", {}) in second
    assert answers(call.at(3_500, done("t1/tool_2"))) == [do.ToolAnswer("t1", OUTPUT)]
    assert answers(call.at(3_600, done("t1"))) == [inherited()]
    uses = {entry.use.request_id: entry.use.status for entry in call.entries if isinstance(entry, journal.ToolNoted)}
    assert uses == {"tool_1": "done", "tool_2": "done"}


def test_an_engine_that_says_nothing_to_it_is_mute() -> None:
    call = wished()
    call.at(3_300, ready())
    call.at(4_000, done())
    for at_ms in range(4_100, 9_200, 100):
        call.at(at_ms, ev.Tick())
    assert call.all(do.AbandonEngine) != []


@given(st.lists(st.sampled_from(["lost", "ready", "done", "say"]), max_size=12))
def test_no_order_of_things_runs_a_tool_twice_or_loses_its_outcome(steps: list[str]) -> None:
    call = wished()
    finished = told = False
    for at, step in enumerate([*steps, "done", "ready"]):
        at_ms = 3_100 + 100 * at
        if step == "done":
            new, finished = call.at(at_ms, done()), True
        elif step == "ready":
            new = call.at(at_ms, ready(known=len(call.machine.outcomes)))
            assert (inherited() in answers(new)) == (finished and not told)
        elif step == "lost":
            call.at(at_ms, ev.EngineFailed("engine_lost", "gone"))
        else:
            call.agent_says(at_ms, f"i{at}", ("Let me see.", 300.0))
            told = told or finished
    assert len(call.all(do.RunTool)) == 1
    assert len(call.machine.outcomes) == 1
