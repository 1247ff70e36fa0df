"""Who speaks in a duplex call, and what both sides are told of it: tools, decisions of the agent beside, interruptions."""

from __future__ import annotations

from dataclasses import replace

from media_plane.conversation.commands import Interrupted, Say, ToolAnswer, ToolOutcome
from media_plane.conversation.events import (
    EngineNotice,
    ToolRequested,
)
from media_plane.dialogue.steps import Passed
from media_plane.ports.speech_line import ModelFlush, Said
from tests.unit.media_plane.engines.duplex.duplex_call import BRIEF, WANTED, Ear, talk, words


async def test_a_tool_stops_the_model_and_its_answer_is_spoken_by_our_voice() -> None:
    async with talk([WANTED, words("You're booked for three.")]) as call:
        await call.model(480, "Sure,", "I")
        await call.turn("Book me for three")
        assert call.kinds()[-3:] == ["EngineFlush", "AgentItemEnded", "ToolRequested"]
        await call.model(800, "I", "have", "booked", "it")
        await call.quiet(640)
        await call.send(Say("One moment.", remember=False))
        await call.model(400, "so")
        await call.quiet(640)
        assert call.texts()[1:] == ["One moment."]
        await call.send(ToolAnswer("t1", "Booked for 3 pm."))
        await call.model(400, "and")
        await call.quiet(640)
        assert call.texts()[1:] == ["One moment.", "You're booked for three."]
        assert call.line.refreshed == 1
        assert call.line.brief(2).facts == ("book appointment is done: Booked for 3 pm.",)


async def test_a_failed_tool_is_a_fact_but_covers_no_claim() -> None:
    async with talk([WANTED, words("That time is taken.")], [Passed()]) as call:
        await call.turn("Book me for three")
        await call.send(ToolAnswer("t1", "Taken.", failed=True))
        await call.clock.advance(1_000)
        assert call.line.brief(2).facts == ("book appointment did not succeed: Taken.",)
        await call.turn("Hm")
        await call.model(1_200, "You", "are", "booked", "for", "three.")
        await call.quiet(400)
        assert (
            len([event for event in call.of(EngineNotice) if isinstance(event, EngineNotice) and event.code == "false_confirmation"]) == 1
        )


async def test_after_a_tool_the_model_may_say_that_it_is_done() -> None:
    async with talk([WANTED, words("You're booked for three.")], [Passed()]) as call:
        await call.turn("Book me for three")
        await call.send(ToolAnswer("t1", "Booked for 3 pm."))
        await call.quiet(1_600)
        await call.turn("Great")
        await call.model(1_200, "Yes,", "you", "are", "booked", "for", "three.")
        await call.quiet(640)
        assert call.of(EngineNotice) == []
        assert call.texts()[-1] == "Yes, you are booked for three."


async def test_while_the_agent_decides_in_a_task_the_model_is_held_back_and_then_let_go() -> None:
    async with talk([words("Which day?")], [None, Passed()]) as call:
        await call.turn("An appointment")
        await call.quiet(960)
        await call.turn("By the way, nice weather")
        await call.model(800, "Lovely,", "isn't", "it?")
        await call.quiet(560)
        assert call.items() == ["e1a1"]
        call.agent.go.set()
        await call.clock.settle()
        assert call.texts() == ["Which day?", "Lovely, isn't it?"]
        await call.model(400, "Yes.")
        await call.quiet(560)
        assert call.texts()[-1] == "Yes."


async def test_what_was_held_back_is_dropped_when_the_agent_has_words() -> None:
    async with talk([words("Which day?")], [None, words("Monday at what time?")], [Passed()]) as call:
        await call.turn("An appointment")
        await call.quiet(960)
        await call.turn("Monday")
        await call.model(800, "Monday", "is", "great!")
        await call.quiet(560)
        call.agent.go.set()
        await call.quiet(1_200)
        await call.turn("Nice weather")
        await call.quiet(400)
        assert call.texts() == ["Which day?", "Monday at what time?"]


async def test_a_model_that_leads_again_is_to_be_told_what_our_voice_said() -> None:
    async with talk([words("Which day?")], [Passed()], [Passed()]) as call:
        await call.turn("An appointment")
        await call.quiet(960)
        assert call.line.refreshed == 0
        await call.turn("Never mind, how are you?")
        assert call.line.refreshed == 1
        assert call.line.brief(2).said == (Said("agent", "Which day?"),)
        await call.turn("Fine")
        assert call.line.refreshed == 1


async def test_an_interrupted_model_is_silent_until_it_pauses_and_everybody_knows_what_was_heard() -> None:
    async with talk() as call:
        await call.model(1_200, "Let", "me", "tell", "you", "something")
        await call.send(Interrupted("e1m1", "Let me tell"))
        given = len(call.got)
        await call.model(400, "very", "long")
        await call.quiet(400)
        assert call.got[given:] == []
        await call.model(400, "Yes?")
        assert call.items() == ["e1m1", "e1m2"]
        assert call.line.brief(2).said[0] == Said("agent", "Let me tell")
        assert call.agent.memory == ["said: Let me tell"]


async def test_our_voice_interrupted_gives_the_floor_back_at_once() -> None:
    async with talk([words("We are open from nine to five on all days but Sunday.")], [Passed()]) as call:
        await call.turn("When do you open?")
        await call.quiet(400)
        await call.send(Interrupted("e1a1", "We are open"))
        assert call.agent.memory[-1] == "heard: We are open"
        await call.turn("Thanks")
        await call.model(400, "Sure.")
        assert call.items() == ["e1a1", "e1m1"]
        assert call.line.brief(2).said[0] == Said("agent", "We are open")


async def test_the_model_s_own_flush_stops_playout() -> None:
    async with talk() as call:
        await call.model(800, "As", "I", "said")
        call.line.give(ModelFlush())
        await call.clock.settle()
        assert call.kinds()[-2:] == ["EngineFlush", "AgentItemEnded"]
        await call.model(400, "Yes?")
        assert call.items() == ["e1m1", "e1m2"]


async def test_both_sides_are_remembered_in_the_order_in_which_they_spoke() -> None:
    async with talk(ear=Ear(["Good morning"])) as call:
        await call.caller_speaks()
        await call.model(480, "Morning!")
        await call.turn("Good morning")
        await call.quiet(1_200)
        assert call.line.brief(2).said == (Said("caller", "Good morning"), Said("agent", "Morning!"))
        assert call.agent.memory == ["caller: Good morning", "said: Morning!"]


async def test_a_cough_while_the_agent_decides_does_not_cost_the_model_its_answer() -> None:
    async with talk([words("Which day?")], [None, Passed()], ear=Ear([""])) as call:
        await call.turn("An appointment")
        await call.quiet(960)
        await call.turn("Nice weather")
        await call.model(480, "Lovely.")
        await call.caller_speaks()
        call.agent.go.set()
        await call.quiet(640)
        assert call.texts()[-1] == "Lovely."


async def test_tool_requests_carry_the_agent_s_arguments() -> None:
    async with talk([WANTED]) as call:
        await call.turn("Book me")
        assert call.of(ToolRequested) == [ToolRequested("t1", "book_appointment", {"time": "15:00"})]


async def test_what_tools_did_before_this_engine_is_known_to_the_model_and_no_false_claim() -> None:
    outcome = ToolOutcome("tool_1", "book_appointment", {"time": "15:00"}, "Booked for three.", False, 900)
    async with talk(brief=replace(BRIEF, outcomes=(outcome,))) as call:
        assert call.line.brief(1).facts == ("book appointment is done: Booked for three.",)
        await call.model(800, "You are", "booked.")
        await call.quiet(640)
        assert call.of(EngineNotice) == []


async def test_an_outcome_owed_from_before_is_told_by_the_agent_over_the_muted_model() -> None:
    async with talk([words("You are booked for three.")]) as call:
        await call.send(ToolAnswer("tool_1", "Booked for three.", False, "book_appointment", {"time": "15:00"}))
        await call.clock.advance(400)
        assert call.agent.memory[:2] == ["outcome: book_appointment: Booked for three.", "caller: "]
        assert call.texts() == ["You are booked for three."]
        assert call.line.refreshed >= 1
        assert call.line.brief(2).facts == ("book appointment is done: Booked for three.",)


async def test_an_outcome_that_the_caller_knows_of_is_a_fact_and_no_answer() -> None:
    async with talk([words("Never said.")]) as call:
        await call.send(ToolAnswer("tool_1", "Booked for three.", False, "book_appointment", {}, owed=False))
        await call.clock.advance(400)
        assert call.texts() == []
        await call.model(400, "Right.")
        assert call.texts() == ["Right."]
