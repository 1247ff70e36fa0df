"""The duplex engine: who speaks when, what everybody is told, how it begins and ends."""

from __future__ import annotations

from dataclasses import replace

from media_plane.audio import silence
from media_plane.conversation.commands import CallerAudio, Inform, Interrupted, Say, ToolAnswer
from media_plane.conversation.events import (
    AgentAudio,
    AgentItemEnded,
    AgentText,
    CallerTranscript,
    EngineDropped,
    EngineFlush,
    EngineNotice,
    HangUpRequested,
)
from media_plane.dialogue.notes import typed_note
from media_plane.dialogue.steps import HangUp, Notice, Passed
from media_plane.ports.speech_line import LineDropped, ModelHeard
from tests.unit.media_plane.engines.duplex.duplex_call import BRIEF, Ear, talk, words
from tests.unit.media_plane.engines.duplex.talking import SPEECH


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


async def test_the_model_is_told_the_time_where_the_tenant_is() -> None:
    there = BRIEF.config.model_copy(update={"timezone": "Asia/Tokyo"})
    async with talk(brief=replace(BRIEF, config=there)) as call:
        now = call.line.brief(1).now
        assert now is not None
        assert str(now.tzinfo) == "Asia/Tokyo"
        assert abs((now - call.clock.now()).total_seconds()) < 60
