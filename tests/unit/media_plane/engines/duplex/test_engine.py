"""The duplex engine: who speaks when, what everybody is told, how it begins and ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from media_plane.audio import silence
from media_plane.conversation.commands import CallerAudio, Inform, Interrupted, Say, ToolAnswer, ToolOutcome
from media_plane.conversation.events import (
    AgentAudio,
    AgentItemEnded,
    AgentText,
    CallerTranscript,
    EngineDropped,
    EngineFailed,
    EngineFlush,
    EngineNotice,
    EngineRotated,
    HangUpRequested,
    ToolRequested,
)
from media_plane.dialogue.notes import typed_note
from media_plane.dialogue.steps import HangUp, Notice, Passed, SentenceReady
from media_plane.engines.duplex.engine import DuplexEngine, DuplexLimits, DuplexParts
from media_plane.ports.engine import EngineTraits
from media_plane.ports.speech_line import LineDropped, LineLost, LineNotice, LineRotated, ModelAudio, ModelFlush, ModelHeard, Said
from nexus.clock import Clock
from nexus.errors import NexusError, QuotaExceeded, UpstreamError
from tests.fakes.model_lines import WrittenLine
from tests.fakes.stepped_clock import SteppedClock
from tests.unit.media_plane.engines.duplex.duplex_call import BRIEF, WANTED, Agent, Ear, Talk, Voice, talk
from tests.unit.media_plane.engines.duplex.talking import SPEECH


def words(text: str) -> SentenceReady:
    return SentenceReady(text)


# --- the model leads ---------------------------------------------------------------------------------------------------------


async def test_the_model_leads_small_talk_and_the_agent_hears_of_it() -> None:
    async with talk([Passed()]) as call:
        await call.turn("How are you?")
        await call.model(800, "Fine,", "thanks.")
        await call.quiet(1_200)
        assert call.items() == ["e1m1"]
        assert call.texts() == ["Fine, thanks."]
        assert call.kinds() == ["AgentText", "AgentItemEnded"]
        assert call.agent.memory == ["caller: How are you?", "said: Fine, thanks."]


async def test_words_come_with_their_sound_and_are_marked_as_the_model_s() -> None:
    async with talk() as call:
        await call.model(800, "Good", "day.")
        first = call.events[:2]
        assert isinstance(first[0], AgentAudio)
        assert first[0].frame.sample_rate_hz == 24_000
        await call.quiet(640)
        assert all(event.live for event in call.events if isinstance(event, AgentText))


async def test_the_caller_s_audio_reaches_model_and_ear() -> None:
    async with talk(ear=Ear(["Hello there"])) as call:
        await call.send(CallerAudio(silence(20, 16_000), (b"opus",)))
        assert call.line.sent == [CallerAudio(silence(20, 16_000), (b"opus",))]
        await call.caller_speaks()
        assert call.of(CallerTranscript) == [CallerTranscript("Hello there", True, 0, 400, 0.9)]


async def test_what_comes_too_late_is_for_our_ear_alone_and_counted() -> None:
    async with talk(ear=Ear(["Hello there"])) as call:
        await call.send(CallerAudio(SPEECH, (), late=True))
        await call.send(CallerAudio(silence(20, 16_000), (), late=True))
        call.line.give(LineDropped(40.0))
        await call.clock.settle()
        assert call.line.sent == []
        assert call.of(EngineDropped) == [EngineDropped(SPEECH.duration_ms), EngineDropped(40.0)]
        await call.caller_speaks()
        assert call.of(CallerTranscript) != []


async def test_without_an_ear_the_line_tells_what_the_caller_said() -> None:
    async with talk() as call:
        call.line.give(ModelHeard("Hello there"))
        await call.clock.settle()
        assert [(event.text, event.final) for event in call.events if isinstance(event, CallerTranscript)] == [("Hello there", True)]


async def test_a_line_that_tells_what_the_caller_said_is_believed_and_our_ear_rests() -> None:
    async with talk(ear=Ear(["Yellow hair"])) as call:
        call.line.give(ModelHeard(""))
        await call.clock.settle()
        await call.caller_speaks()
        call.line.give(ModelHeard("Hello there"))
        await call.clock.settle()
        assert call.of(CallerTranscript) == [CallerTranscript("Hello there", True, 0, 400)]


async def test_a_spoken_turn_is_not_for_an_agent_that_only_answers_typed_ones() -> None:
    async with talk([words("Typed.")], beside=False) as call:
        await call.turn("Hello?")
        assert call.agent.memory == []
        await call.turn("written", typed=True)
        await call.clock.advance(1_000)
        assert call.agent.memory == ["caller: written"]
        assert call.texts() == ["Typed."]
        await call.model(400, "Go", "on.")
        assert call.items()[-1] == "e1m1"


async def test_typed_words_are_answered_by_the_agent_beside_for_no_model_can_read_them() -> None:
    async with talk([words("At nine.")]) as call:
        await call.turn("When do you open?", typed=True)
        await call.clock.advance(100)
        assert call.agent.memory == [f"caller: {typed_note('When do you open?')}"]
        assert call.texts() == ["At nine."]


async def test_without_any_agent_typed_words_do_no_harm() -> None:
    async with talk(alone=True) as call:
        await call.turn("Hello?", typed=True)
        await call.send(ToolAnswer("t9", "x"))
        await call.model(400, "Yes?")
        await call.quiet(960)
        await call.send(Interrupted("e1a7", ""))
        assert call.texts() == ["Yes?"]


# --- our voice ---------------------------------------------------------------------------------------------------------------


async def test_a_greeting_is_ours_and_the_model_waits_for_its_end() -> None:
    async with talk() as call:
        await call.send(Say("Hello! How can I help?"))
        await call.model(640, "Hello,", "hi!")
        await call.quiet(640)
        assert call.texts() == ["Hello! How can I help?"]
        assert call.agent.memory == ["said: Hello! How can I help?"]
        await call.model(400, "So?")
        assert call.items() == ["e1a1", "e1m1"]


async def test_our_voice_waits_for_the_end_of_the_model_s_sentence() -> None:
    async with talk([words("Which day?")]) as call:
        await call.model(480, "Sure.")
        await call.turn("I want an appointment")
        assert call.items() == ["e1m1"]
        await call.quiet(800)
        assert call.kinds() == ["AgentText", "AgentItemEnded", "AgentText", "AgentItemEnded"]
        assert call.texts() == ["Sure.", "Which day?"]
        assert call.at(AgentItemEnded, "e1m1") < call.at(AgentAudio, "e1a1")


async def test_our_voice_does_not_wait_longer_than_1200_ms() -> None:
    async with talk([words("Which day?")]) as call:
        await call.model(480, "Well")
        began = call.clock.monotonic_ms()
        await call.turn("I want an appointment")
        await call.model(1_600, "let", "me", "think", "about", "that", "for")
        assert call.at(EngineFlush) - began <= 1_280
        assert call.at(AgentAudio, "e1a1") - began <= 1_280
        assert call.text("e1a1") == "Which day?"
        assert call.line.brief(2).said[0].text == call.text("e1m1")


async def test_the_agent_may_hang_up() -> None:
    async with talk([words("Goodbye!"), HangUp()]) as call:
        await call.turn("bye")
        await call.clock.advance(400)
        assert call.kinds()[-1] == "HangUpRequested"
        assert call.of(HangUpRequested)


async def test_what_the_agent_survived_goes_on_record() -> None:
    async with talk([Notice("model_failed", "late"), words("Sorry.")]) as call:
        await call.turn("hm")
        await call.clock.advance(400)
        assert call.of(EngineNotice) == [EngineNotice("model_failed", "dialogue", "late")]


async def test_what_the_business_tells_reaches_the_agent_and_the_model_s_next_session_and_nobody_s_ear() -> None:
    async with talk([]) as call:
        await call.send(Inform("The garage is closed."))
        assert call.agent.memory == ["note: The garage is closed."]
        assert call.line.brief(2).facts == ("Good to know for this call: The garage is closed.",)
        assert (call.line.refreshed, call.texts()) == (1, [])


# --- tools -------------------------------------------------------------------------------------------------------------------


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


# --- interruptions -----------------------------------------------------------------------------------------------------------


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


# --- the line ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["engine_lost", "engine_mute", "engine_lagging", "engine_window_ended"])
async def test_a_lost_line_is_a_failed_engine(code: str) -> None:
    async with talk() as call:
        call.line.give(LineLost(code, "gone"))
        await call.clock.settle()
        assert call.events[-1] == EngineFailed(code, "gone")


async def test_a_line_that_just_ends_is_lost() -> None:
    async with talk() as call:
        call.line.end()
        await call.clock.settle()
        assert isinstance(call.events[-1], EngineFailed)
        assert call.events[-1].code == "engine_lost"


async def test_rotations_and_faults_of_the_line_go_on_record() -> None:
    async with talk() as call:
        await call.model(400, "Hm")
        call.line.give(LineNotice("engine_no_spare", "none free"), LineRotated(2, 120.0, "window"))
        await call.clock.settle()
        assert call.of(EngineNotice) == [EngineNotice("engine_no_spare", "engine", "none free")]
        assert call.of(EngineRotated) == [EngineRotated(2, 120.0, "window")]
        assert call.of(AgentItemEnded) == [AgentItemEnded("e1m1")]
        await call.model(400, "So")
        assert call.items() == ["e1m1", "e1m2"]


async def test_a_model_that_falls_dead_in_the_middle_of_a_word_ends_its_item() -> None:
    async with talk() as call:
        await call.model(400, "Hm")
        await call.clock.advance(1_000)
        assert call.kinds()[-1] == "AgentItemEnded"


async def test_the_line_is_told_when_anybody_is_busy() -> None:
    async with talk([WANTED, words("Done.")], ear=Ear(["Book"])) as call:
        assert call.line.busy_told == []
        await call.caller_speaks()
        await call.turn("Book")
        await call.quiet(4_000)
        assert call.line.busy_told == [True]
        await call.send(ToolAnswer("t1", "ok"))
        await call.quiet(960)
        assert call.line.busy_told == [True, False]
        await call.send(Say("Still there?"))
        await call.quiet(160)
        assert call.line.busy_told[-1]
        await call.quiet(960)
        assert not call.line.busy_told[-1]


async def test_the_line_stays_busy_until_the_caller_is_answered_or_nobody_will() -> None:
    """The call does not move to a session that has not heard the question."""
    async with talk(ear=Ear(["Hello", "Hm"])) as call:
        await call.caller_speaks()
        await call.quiet(1_600)
        assert call.line.busy_told == [True]
        await call.model(400, "Hello.")
        await call.quiet(960)
        assert call.line.busy_told == [True, False]
        await call.caller_speaks()
        await call.quiet(2_400)
        assert call.line.busy_told[-1]
        await call.quiet(240)
        assert not call.line.busy_told[-1]


async def test_a_model_that_talks_makes_the_line_busy() -> None:
    async with talk() as call:
        await call.model(400, "Hm.")
        assert call.line.busy_told == [True]
        await call.quiet(960)
        assert call.line.busy_told == [True, False]


async def test_what_is_held_back_and_over_keeps_the_line_from_nothing() -> None:
    async with talk([words("Which day?")]) as call:
        await call.turn("An appointment")
        await call.quiet(960)
        await call.model(480, "Any", "day!")
        assert call.line.busy_told[-1]
        await call.quiet(560)
        assert not call.line.busy_told[-1]


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


# --- beginning and end -------------------------------------------------------------------------------------------------------


async def test_what_the_model_says_before_anybody_listens_is_not_heard_later() -> None:
    line, clock = WrittenLine(), SteppedClock()
    engine = DuplexEngine("duplex", line, DuplexParts(None, Voice()), clock)
    await engine.start(BRIEF)
    call = Talk(engine, line, Agent(), clock)
    await call.model(4_000, "Hello?", "Anybody?")
    listening = asyncio.create_task(call.listen())
    await call.quiet(640)
    assert call.got == []
    await call.model(400, "Hello!")
    assert call.items() == ["e1m1"]
    await engine.close()
    await listening


async def test_start_is_idempotent_also_side_by_side() -> None:
    line = WrittenLine()
    engine = DuplexEngine("personaplex", line, DuplexParts(None, Voice()), Clock())
    assert engine.traits == EngineTraits("personaplex", True, True, 24_000)
    await asyncio.gather(engine.start(BRIEF), engine.start(BRIEF))
    await engine.start(replace(BRIEF, item_prefix="e9"))
    assert len(line.briefs) == 1
    assert line.briefs[0].generation == 1
    await engine.close()
    await engine.close()
    assert line.closed == 2


@pytest.mark.parametrize("error", [UpstreamError("engine_unreachable", "down"), QuotaExceeded("no_engine_slot", "full")])
async def test_a_line_that_does_not_open_is_told_as_it_is_and_closed(error: NexusError) -> None:
    line = WrittenLine(fails=error)
    engine = DuplexEngine("duplex", line, DuplexParts(None, Voice()), Clock())
    with pytest.raises(NexusError) as caught:
        await engine.start(BRIEF)
    assert caught.value is error
    await engine.send(Say("Hello"))
    await engine.close()
    assert line.closed == 1
    assert [event async for event in engine.events()] == []


async def test_a_line_that_hangs_does_not_hold_the_call() -> None:
    engine = DuplexEngine("duplex", WrittenLine(hangs_at_close=True), DuplexParts(None, Voice()), Clock(), DuplexLimits(close_s=0.01))
    await engine.start(BRIEF)
    async with asyncio.timeout(2):
        await engine.close()


async def test_a_bridge_that_reads_nothing_slows_the_model_and_loses_nothing() -> None:
    line, clock = WrittenLine(), SteppedClock()
    engine = DuplexEngine("duplex", line, DuplexParts(None, Voice()), clock)
    await engine.start(BRIEF)
    events = aiter(engine.events())
    first = asyncio.ensure_future(anext(events))
    await clock.settle()
    for _ in range(600):
        line.give(ModelAudio(SPEECH))
    await clock.settle()
    got = [await first]
    assert 0 < sum(event.frame.duration_ms for event in got if isinstance(event, AgentAudio)) < 1_000
    while sum(event.frame.duration_ms for event in got if isinstance(event, AgentAudio)) < 600 * 80 - 40:
        got.append(await anext(events))
    await engine.close()
    assert {event.item_id for event in got if isinstance(event, AgentAudio)} == {"e1m1"}


async def test_tool_requests_carry_the_agent_s_arguments() -> None:
    async with talk([WANTED]) as call:
        await call.turn("Book me")
        assert call.of(ToolRequested) == [ToolRequested("t1", "book_appointment", {"time": "15:00"})]


# --- after another engine ----------------------------------------------------------------------------------------------------


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


async def test_the_model_is_told_the_time_where_the_tenant_is() -> None:
    there = BRIEF.config.model_copy(update={"timezone": "Asia/Tokyo"})
    async with talk(brief=replace(BRIEF, config=there)) as call:
        now = call.line.brief(1).now
        assert now is not None
        assert str(now.tzinfo) == "Asia/Tokyo"
        assert abs((now - call.clock.now()).total_seconds()) < 60
