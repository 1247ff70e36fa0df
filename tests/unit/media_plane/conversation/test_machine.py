"""The conversation machine, by timelines."""

from __future__ import annotations

import pytest

from media_plane.conversation import commands as do
from media_plane.conversation import events as ev
from nexus.domain import journal, session
from nexus.domain.call import EndReason
from tests.unit.media_plane.conversation.timeline import TEXT, VOICE, Timeline, tenant, tone


def turns(timeline: Timeline) -> list[session.Turn]:
    return list(timeline.machine.turns)


class TestGreeting:
    def test_the_agent_speaks_first_when_the_engine_is_ready(self) -> None:
        call = Timeline()
        call.at(10, VOICE)
        assert call.sent() == [do.Say("Hello there.")]

    def test_a_tenant_may_let_the_caller_speak_first(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(10, VOICE)
        assert call.sent() == []

    def test_consent_comes_before_the_greeting_when_the_call_is_recorded(self) -> None:
        call = Timeline(tenant(recording={"enabled": True, "consent_line": "This call is recorded."}))
        call.at(10, VOICE)
        assert call.sent() == [do.Say("This call is recorded. Hello there.")]

    def test_it_is_said_once_though_the_engine_changes(self) -> None:
        call = Timeline()
        call.at(10, VOICE)
        call.at(500, TEXT)
        call.at(900, VOICE)
        assert call.sent().count(do.Say("Hello there.")) == 1


class TestTurns:
    def test_question_and_answer_become_two_turns_with_times(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(0, VOICE)
        call.caller_says(1_000, 3_000, "Are you open?")
        assert call.sent()[-1] == do.CallerTurn("Are you open?")
        call.agent_says(3_900, "e1-1", ("Yes, until six.", 1_200.0))
        call.at(5_100, ev.PlayoutFinished("e1-1", 1_200.0))
        question, answer = turns(call)
        assert (question.role, question.start_ms, question.end_ms, question.text) == ("caller", 1_000, 3_000, "Are you open?")
        assert (answer.role, answer.start_ms, answer.end_ms) == ("agent", 3_900, 5_100)
        assert answer.heard_text == answer.text == "Yes, until six."
        assert not answer.interrupted

    def test_stages_add_up_to_the_whole(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(0, VOICE)
        call.at(1_000, ev.CallerSpeech("started", 1_000))
        call.at(2_500, ev.CallerSpeech("ended", 1_000, 2_000))
        call.at(2_600, ev.CallerTranscript("Hi", True, 1_000, 2_000))
        call.at(2_650, ev.AgentText("i", "Hello."))
        call.at(2_900, ev.AgentAudio("i", tone(500)))
        call.at(2_920, ev.PlayoutStarted("i"))
        call.at(2_930, ev.AgentItemEnded("i"))
        call.at(3_400, ev.PlayoutFinished("i", 500))
        stages = turns(call)[1].stages
        assert stages == session.StageTimes(silence_wait=500, stt=100, dialogue=50, first_sentence=250, transport=20, e2e=920)
        assert call.all(do.TellLatency)[0].stages["e2e"] == 920

    def test_an_empty_transcript_is_no_turn(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(0, VOICE)
        call.caller_says(1_000, 2_000, "")
        assert turns(call) == []
        assert not any(isinstance(value, do.CallerTurn) for value in call.sent())

    def test_typed_text_is_answered_in_the_middle_of_a_call_and_stops_the_agent(self) -> None:
        call = Timeline()
        call.at(0, VOICE)
        call.agent_says(100, "g", ("Hello there.", 2_000.0))
        new = call.at(600, ev.CallerTyped("What do you charge?"))
        assert new[0] == do.StopPlayout()
        call.at(600, ev.PlayoutStopped("g", 500.0))
        assert do.CallerTurn("What do you charge?", typed=True) in call.sent()
        typed = next(turn for turn in turns(call) if turn.role == "caller")
        assert typed.typed


class TestBargeIn:
    def speaking(self, **changes: object) -> Timeline:
        call = Timeline(tenant(first_speaker="caller", **changes))
        call.at(0, VOICE)
        call.caller_says(1_000, 2_000, "Tell me everything.")
        call.agent_says(3_000, "a", ("One two three four.", 2_000.0), ("Five six seven eight.", 2_000.0))
        return call

    def test_it_stops_playout_and_keeps_only_what_was_heard(self) -> None:
        call = self.speaking()
        assert call.at(5_600, ev.BargeInDetected(5_400)) == [do.StopPlayout()]
        new = call.at(5_610, ev.PlayoutStopped("a", 2_550.0))
        assert new[0] == do.TellAudio("clear", "a", 2_550.0)
        said = turns(call)[-1]
        assert said.interrupted
        assert said.heard_text == "One two three four. Five"
        assert said.text == "One two three four. Five six seven eight."
        assert do.Interrupted("a", "One two three four. Five") in call.sent()
        noted = [entry for entry in call.entries if isinstance(entry, journal.Interrupted)]
        assert noted == [journal.Interrupted(at_ms=5_400, stop_ms=210)]

    def test_late_audio_of_the_stopped_item_is_not_played(self) -> None:
        call = self.speaking()
        call.at(5_600, ev.BargeInDetected(5_400))
        call.at(5_610, ev.PlayoutStopped("a", 2_550.0))
        assert call.at(5_700, ev.AgentText("a", "Nine."), ev.AgentAudio("a", tone(100))) == []

    @pytest.mark.parametrize("words", ["Uh-huh.", "okay", "Yeah, right."])
    def test_a_backchannel_lets_the_agent_go_on_where_it_was_stopped(self, words: str) -> None:
        call = self.speaking()
        call.at(5_600, ev.BargeInDetected(5_400), ev.CallerSpeech("started", 5_400))
        call.at(5_610, ev.PlayoutStopped("a", 2_550.0))
        call.at(6_400, ev.CallerSpeech("ended", 5_400, 5_800))
        call.at(6_500, ev.CallerTranscript(words, True, 5_400, 5_800))
        assert call.sent()[-1] == do.Say("Five six seven eight.")
        assert turns(call)[-1].backchannel
        assert [entry.false_alarm for entry in call.entries if isinstance(entry, journal.Interrupted)] == [False, True]

    def test_noise_lets_the_agent_go_on(self) -> None:
        call = self.speaking()
        call.at(5_600, ev.BargeInDetected(5_400))
        call.at(5_610, ev.PlayoutStopped("a", 2_550.0))
        call.at(6_500, ev.CallerTranscript("", True, 5_400, 5_800))
        assert call.sent()[-1] == do.Say("Five six seven eight.")

    def test_real_words_take_the_floor_for_good(self) -> None:
        call = self.speaking()
        call.at(5_600, ev.BargeInDetected(5_400))
        call.at(5_610, ev.PlayoutStopped("a", 2_550.0))
        call.at(6_500, ev.CallerTranscript("Wait, stop.", True, 5_400, 5_900))
        assert call.sent()[-1] == do.CallerTurn("Wait, stop.")
        assert not any(isinstance(value, do.Say) for value in call.sent())

    def test_a_tenant_may_switch_it_off(self) -> None:
        call = self.speaking(barge_in={"enabled": False})
        assert call.at(5_600, ev.BargeInDetected(5_400)) == []

    def test_a_greeting_may_be_uninterruptible(self) -> None:
        call = Timeline(tenant(barge_in={"greeting_interruptible": False}))
        call.at(0, VOICE)
        call.agent_says(100, "g", ("Hello there.", 2_000.0))
        assert call.at(900, ev.BargeInDetected(700)) == []

    def test_nobody_talks_over_the_line_that_tells_of_the_recording(self) -> None:
        recorded = {"enabled": True, "consent_line": "This call is recorded."}
        call = Timeline(tenant(recording=recorded))
        call.at(0, VOICE)
        call.agent_says(100, "g", ("This call is recorded. Hello there.", 2_000.0))
        assert call.at(900, ev.BargeInDetected(700)) == []
        unrecorded = Timeline(tenant(recording={**recorded, "enabled": False}))
        unrecorded.at(0, VOICE)
        unrecorded.agent_says(100, "g", ("Hello there.", 2_000.0))
        assert unrecorded.at(900, ev.BargeInDetected(700)) == [do.StopPlayout()]

    def test_a_first_word_into_that_line_does_not_open_it_to_a_second(self) -> None:
        call = Timeline(tenant(recording={"enabled": True, "consent_line": "This call is recorded."}))
        call.at(0, VOICE)
        call.agent_says(100, "g", ("This call is recorded. Hello there.", 5_000.0))
        call.caller_says(500, 900, "I need a haircut, please.")
        assert call.at(2_500, ev.BargeInDetected(2_300)) == []
        call.at(5_100, ev.PlayoutFinished("g", 5_000.0))
        call.agent_says(5_200, "a", ("When would you like to come?", 2_000.0))
        assert call.at(6_500, ev.BargeInDetected(6_300)) == [do.StopPlayout()]

    def test_nothing_happens_while_the_agent_is_silent(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(0, VOICE)
        assert call.at(900, ev.BargeInDetected(700)) == []

    def test_what_waited_behind_the_stopped_item_is_forgotten_too(self) -> None:
        call = self.speaking()
        call.at(3_100, ev.AgentText("b", "And more."), ev.AgentAudio("b", tone(900)))
        call.at(5_600, ev.BargeInDetected(5_400))
        call.at(5_610, ev.PlayoutStopped("a", 2_550.0))
        assert do.Interrupted("b", "") in call.sent()
        assert all(turn.text != "And more." for turn in turns(call))


class TestTools:
    def test_a_tool_is_run_answered_and_recorded(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(0, VOICE)
        call.caller_says(1_000, 2_000, "Book ten.")
        new = call.at(2_700, ev.ToolRequested("t1", "book", {"time": "10:00"}))
        assert do.RunTool("t1", "book", {"time": "10:00"}) in new
        call.at(2_900, ev.ToolFinished("t1", "effect", "done", "Booked."))
        assert call.sent()[-1] == do.ToolAnswer("t1", "Booked.", False)
        last = [entry.use for entry in call.entries if isinstance(entry, journal.ToolNoted)][-1]
        assert (last.status, last.duration_ms, last.turn, last.effect_id) == ("done", 200, 0, "effect")

    def test_a_slow_tool_is_bridged_once_and_again_later(self) -> None:
        call = Timeline(tenant(first_speaker="caller", phrases={"filler": ["One moment.", "Still looking."]}))
        call.at(0, VOICE)
        call.caller_says(1_000, 2_000, "Book ten.")
        call.at(2_700, ev.ToolRequested("t1", "book", {}))
        for at_ms in range(2_800, 9_000, 100):
            call.at(at_ms, ev.Tick())
        fillers = [value for value in call.sent() if isinstance(value, do.Say)]
        assert fillers == [do.Say("One moment.", remember=False), do.Say("Still looking.", remember=False)]

    def test_a_declared_tool_has_lines_of_its_own(self) -> None:
        spoken = {"start": "I look it up.", "delay": "Our system is slow today."}
        book = {"name": "book", "description": "Book", "url": "https://tools.example.com/", "spoken": spoken}
        call = Timeline(tenant(first_speaker="caller", http_tools=[book], phrases={"filler": []}))
        call.at(0, VOICE)
        call.caller_says(1_000, 2_000, "Book ten.")
        call.at(2_700, ev.ToolRequested("t1", "book", {}))
        call.at(2_800, ev.Tick())
        assert [value for value in call.sent() if isinstance(value, do.Say)] == [do.Say("I look it up.", remember=False)]
        for at_ms in range(2_900, 5_000, 100):
            call.at(at_ms, ev.Tick())
        said = [value.text for value in call.sent() if isinstance(value, do.Say)]
        assert said == ["I look it up.", "Our system is slow today."]

    def test_a_line_of_its_own_tells_of_no_outcome_and_waits_for_silence(self) -> None:
        book = {"name": "book", "description": "Book", "url": "https://tools.example.com/", "spoken": {"start": "I look it up."}}
        call = Timeline(tenant(first_speaker="caller", http_tools=[book]))
        call.at(0, VOICE)
        call.agent_says(2_600, "e1a1", ("Of course.", 900.0))
        call.at(2_700, ev.ToolRequested("t1", "book", {}))
        call.at(2_800, ev.Tick())
        assert not any(isinstance(value, do.Say) for value in call.sent())

    def test_a_quick_tool_needs_no_filler(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(0, VOICE)
        call.at(2_700, ev.ToolRequested("t1", "book", {}))
        call.at(3_400, ev.Tick())
        call.at(3_450, ev.ToolFinished("t1", "e", "done", "ok"))
        call.at(3_600, ev.Tick())
        assert not any(isinstance(value, do.Say) for value in call.sent())

    def test_a_failure_goes_back_as_speech(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(0, VOICE)
        call.at(2_700, ev.ToolRequested("t1", "book", {}))
        call.at(2_800, ev.ToolFinished("t1", "e", "failed", "", spoken="I could not book that.", error_code="tool_failed"))
        assert call.sent()[-1] == do.ToolAnswer("t1", "I could not book that.", True)

    def test_a_tool_that_never_came_back_is_recorded_as_unknown(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(0, VOICE)
        call.at(2_700, ev.ToolRequested("t1", "book", {}))
        call.at(3_000, ev.CallerLeft("lost"))
        call.finish(3_100)
        last = [entry.use for entry in call.entries if isinstance(entry, journal.ToolNoted)][-1]
        assert last.status == "unknown"

    def test_a_tool_that_finishes_after_the_hang_up_is_still_recorded(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(0, VOICE)
        call.at(2_700, ev.ToolRequested("t1", "book", {}))
        call.at(3_000, ev.CallerLeft("hangup"))
        call.at(3_200, ev.ToolFinished("t1", "e", "done", "Booked."))
        call.finish(3_300)
        last = [entry.use for entry in call.entries if isinstance(entry, journal.ToolNoted)][-1]
        assert (last.status, last.output) == ("done", "Booked.")


class TestEngines:
    def test_losing_the_voice_is_told_with_its_reason_and_voice_comes_back(self) -> None:
        call = Timeline()
        call.at(0, VOICE)
        call.at(5_000, ev.EngineFailed("engine_lost", "gone"), TEXT)
        assert call.all(do.TellMode) == [do.TellMode("text_only", "engine_lost")]
        call.at(9_000, ev.EngineReady("cascade", voice=True, own_turns=False, reason="engine_returned"))
        assert call.all(do.TellMode)[-1] == do.TellMode("voice", "engine_returned")
        changes = [entry.change.to for entry in call.entries if isinstance(entry, journal.ModeNoted)]
        assert changes == ["text_only", "voice"]

    def test_an_unanswered_question_goes_to_the_next_engine(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(0, VOICE)
        call.caller_says(1_000, 2_000, "Are you open?")
        call.at(3_000, TEXT)
        assert call.sent()[-1] == do.CallerTurn("Are you open?", typed=True)

    def test_a_mute_engine_is_given_up_after_five_seconds(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(0, VOICE)
        call.caller_says(1_000, 2_000, "Hello?")
        for at_ms in range(2_700, 7_500, 100):
            assert not any(isinstance(command, do.AbandonEngine) for command in call.at(at_ms, ev.Tick()))
        call.at(7_700, ev.Tick())
        assert [command.code for command in call.all(do.AbandonEngine)] == ["engine_mute"]

    def test_text_only_answers_are_read_not_heard(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(0, TEXT)
        call.at(1_000, ev.CallerTyped("Open?"))
        call.at(1_200, ev.AgentText("e1-1", "Yes."), ev.AgentItemEnded("e1-1"))
        answer = turns(call)[-1]
        assert (answer.heard_text, answer.heard_ms, answer.interrupted) == ("Yes.", 0, False)
        assert answer.stages is not None and answer.stages.e2e == 200

    def test_only_the_beginning_of_a_written_answer_is_timed(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(0, TEXT)
        call.at(1_000, ev.CallerTyped("Open?"))
        call.at(1_200, ev.AgentText("e1-1", "Yes."))
        call.at(1_300, ev.CallerTyped("Really?"))
        call.at(1_400, ev.AgentText("e1-1", "Until six."))
        assert [one.stages["e2e"] for one in call.all(do.TellLatency)] == [200]


def test_what_the_engine_dropped_is_added_to_what_never_reached_it() -> None:
    call = Timeline()
    call.at(0, VOICE)
    call.at(1_000, ev.EngineDropped(40.0))
    call.at(2_000, ev.EngineDropped(60.0))
    call.at(3_000, ev.CallerLeft("hangup"), ev.AudioCounted(session.AudioFacts(in_dropped_ms=20.0)))
    call.finish(3_000)
    ended = call.entries[-1]
    assert isinstance(ended, journal.Ended)
    assert ended.audio.in_dropped_ms == 120.0


class TestLimits:
    def test_maximum_duration(self) -> None:
        call = Timeline(max_duration_ms=10_000)
        call.at(0, VOICE)
        assert do.EndCall(EndReason.MAX_DURATION) in call.at(10_000, ev.Tick())

    def test_silence_is_prompted_twice_then_the_agent_hangs_up(self) -> None:
        call = Timeline(tenant(first_speaker="caller", limits={"no_input_s": 5}, phrases={"no_input": ["Hello?"], "goodbye": "Bye."}))
        call.at(0, VOICE)
        call.at(5_000, ev.Tick())
        assert call.sent() == [do.Say("Hello?")]
        call.agent_says(5_100, "p", ("Hello?", 400.0))
        call.at(5_500, ev.PlayoutFinished("p", 400.0))
        call.at(10_500, ev.Tick())
        assert call.sent()[-1] == do.Say("Bye.")
        call.agent_says(10_600, "q", ("Bye.", 400.0))
        assert do.EndCall(EndReason.NO_INPUT) in call.at(11_000, ev.PlayoutFinished("q", 400.0))

    def test_a_model_with_turns_of_its_own_holds_no_silent_caller_for_ever(self) -> None:
        call = Timeline(tenant(first_speaker="caller", limits={"no_input_s": 5}, phrases={"no_input": ["Hello?"], "goodbye": "Bye."}))
        call.at(0, ev.EngineReady("personaplex", voice=True, own_turns=True))
        call.agent_says(4_000, "m1", ("What a day.", 1_000.0))
        call.at(5_000, ev.PlayoutFinished("m1", 1_000.0))
        call.at(9_900, ev.Tick())
        assert call.sent() == [], "a model that speaks by itself is company"
        call.at(10_000, ev.Tick())
        assert call.sent() == [do.Say("Hello?")]
        call.agent_says(10_100, "c1", ("Hello?", 400.0))
        call.at(10_500, ev.PlayoutFinished("c1", 400.0))
        call.at(15_500, ev.Tick())
        assert call.sent()[-1] == do.Say("Bye.")
        call.agent_says(15_600, "c2", ("Bye.", 400.0))
        assert do.EndCall(EndReason.NO_INPUT) in call.at(16_000, ev.PlayoutFinished("c2", 400.0))

    def test_speech_resets_the_prompts(self) -> None:
        call = Timeline(tenant(first_speaker="caller", limits={"no_input_s": 5}))
        call.at(0, VOICE)
        call.at(4_900, ev.CallerSpeech("started", 4_800))
        call.at(6_000, ev.Tick())
        assert not any(isinstance(value, do.Say) for value in call.sent())

    @pytest.mark.parametrize(
        ("how", "reason"),
        [
            ("hangup", EndReason.CALLER_HANGUP),
            ("lost", EndReason.CALLER_LOST),
            ("idle", EndReason.IDLE_SOCKET),
            ("protocol", EndReason.PROTOCOL_ERROR),
        ],
    )
    def test_each_way_of_leaving_has_its_reason(self, how: str, reason: EndReason) -> None:
        call = Timeline()
        call.at(0, VOICE)
        assert call.at(100, ev.CallerLeft(how))[-1] == do.EndCall(reason)  # type: ignore[arg-type]
        assert call.machine.end_reason is reason

    def test_the_agent_hangs_up_only_when_its_goodbye_was_heard(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(0, VOICE)
        call.agent_says(1_000, "bye", ("Goodbye!", 800.0))
        assert call.at(1_010, ev.HangUpRequested()) == []
        assert do.EndCall(EndReason.AGENT_HANGUP) in call.at(1_800, ev.PlayoutFinished("bye", 800.0))

    def test_a_hang_up_does_not_wait_for_ever(self) -> None:
        call = Timeline(tenant(first_speaker="caller"))
        call.at(0, VOICE)
        call.agent_says(1_000, "bye", ("Goodbye!", 800.0))
        call.at(1_010, ev.HangUpRequested())
        assert do.EndCall(EndReason.AGENT_HANGUP) in call.at(17_000, ev.Tick())

    def test_after_the_end_nothing_is_done(self) -> None:
        call = Timeline()
        call.at(0, VOICE)
        call.at(100, ev.CallerLeft("hangup"))
        assert call.at(200, ev.CallerTyped("hello?"), ev.AgentText("x", "late"), ev.Tick()) == []
