"""An engine with turns of its own: it may answer before our ear knows what was said, and nothing of that may count against it."""

from __future__ import annotations

import pytest

from media_plane.conversation import commands as do
from media_plane.conversation import events as ev
from nexus.domain import journal, session
from tests.unit.media_plane.conversation.duplex_calls import asked, call_of, ends, model_says, ticks, voice
from tests.unit.media_plane.conversation.timeline import Timeline, tone


class TestWhatItIsAsked:
    def test_spoken_turns_are_sent_to_it_too(self) -> None:
        call = call_of()
        call.caller_says(1_000, 2_000, "Are you open?")
        assert asked(call) == [do.CallerTurn("Are you open?")]

    @pytest.mark.parametrize("words", ["", "Uh-huh."])
    def test_neither_noise_nor_a_backchannel_is_a_turn(self, words: str) -> None:
        call = call_of()
        model_says(call, 1_000, "m1", ("We are open from nine to six.", 3_000.0))
        call.at(2_200, ev.BargeInDetected(2_050), ev.CallerSpeech("started", 2_050))
        call.at(2_210, ev.PlayoutStopped("m1", 1_200.0))
        call.at(3_000, ev.CallerTranscript(words, True, 2_050, 2_300))
        assert asked(call) == []


class TestMute:
    def test_a_model_that_answered_before_the_transcript_is_not_waited_for(self) -> None:
        call = call_of()
        voice(call, 1_000, 2_000)
        model_says(call, 2_150, "m1", ("Yes.", 300.0))
        call.at(2_160, ev.AgentItemEnded("m1"))
        call.at(2_450, ev.PlayoutFinished("m1", 300.0))
        ends(call, 1_000, 2_000, "Are you open?")
        ticks(call, 3_300, 20_000)
        assert call.all(do.AbandonEngine) == []

    def test_a_model_that_transcribes_by_itself_need_not_know_the_times(self) -> None:
        call = call_of()
        voice(call, 1_000, 2_000)
        model_says(call, 2_150, "m1", ("Yes.", 300.0))
        call.at(2_160, ev.AgentItemEnded("m1"))
        call.at(2_450, ev.PlayoutFinished("m1", 300.0))
        call.at(2_550, ev.CallerSpeech("ended", 1_000, 2_000))
        call.at(2_900, ev.CallerTranscript("Are you open?", True, 2_900, 2_900))
        ticks(call, 3_300, 20_000)
        assert call.all(do.AbandonEngine) == []

    def test_one_that_is_speaking_when_the_transcript_comes_is_not_waited_for(self) -> None:
        call = call_of(barge_in={"enabled": False})
        model_says(call, 500, "m1", ("It is a long story that I am telling you.", 9_000.0))
        voice(call, 1_000, 2_000)
        ends(call, 1_000, 2_000, "I know.")
        call.at(3_300, ev.AgentItemEnded("m1"))
        call.at(9_500, ev.PlayoutFinished("m1", 9_000.0))
        ticks(call, 9_600, 20_000)
        assert call.all(do.AbandonEngine) == []

    def test_silence_after_words_is_mute_after_five_seconds_from_the_transcript(self) -> None:
        call = call_of()
        voice(call, 1_000, 2_000)
        ends(call, 1_000, 2_000, "Are you open?")
        ticks(call, 3_300, 8_200)
        assert call.all(do.AbandonEngine) == []
        ticks(call, 8_300, 8_400)
        assert [order.code for order in call.all(do.AbandonEngine)] == ["engine_mute"]

    def test_what_was_said_before_the_voice_ended_is_no_answer(self) -> None:
        call = call_of()
        model_says(call, 900, "m1", ("Mm-hm.", 200.0))
        call.at(910, ev.AgentItemEnded("m1"))
        call.at(1_100, ev.PlayoutFinished("m1", 200.0))
        voice(call, 1_000, 2_000)
        ends(call, 1_000, 2_000, "Are you open?")
        ticks(call, 3_300, 8_500)
        assert len(call.all(do.AbandonEngine)) == 1

    def test_sound_of_a_stopped_item_is_no_answer(self) -> None:
        call = call_of()
        model_says(call, 1_000, "m1", ("We are open from nine to six.", 3_000.0))
        call.at(1_700, ev.BargeInDetected(1_550))
        call.at(1_710, ev.PlayoutStopped("m1", 700.0))
        voice(call, 1_550, 2_500)
        call.at(2_600, ev.AgentAudio("m1", tone(100)))
        ends(call, 1_550, 2_500, "Stop, I want to cancel.")
        ticks(call, 3_800, 9_000)
        assert len(call.all(do.AbandonEngine)) == 1

    def test_while_the_caller_goes_on_the_wait_rests_and_everything_unanswered_is_kept(self) -> None:
        call = call_of()
        voice(call, 1_000, 2_000)
        ends(call, 1_000, 2_000, "I have a question.")
        call.at(4_000, ev.CallerSpeech("started", 3_900))
        ticks(call, 4_100, 12_000)
        assert call.all(do.AbandonEngine) == []
        call.at(12_200, ev.CallerSpeech("paused", 3_900, 12_000))
        ends(call, 3_900, 12_000, "What does a cut cost?")
        ticks(call, 13_300, 18_500)
        assert len(call.all(do.AbandonEngine)) == 1
        call.at(18_600, ev.EngineReady("cascade", voice=True, own_turns=False, reason="engine_mute"))
        assert asked(call)[-1] == do.CallerTurn("I have a question. What does a cut cost?", typed=True)

    def test_a_noise_after_unanswered_words_does_not_end_the_wait(self) -> None:
        call = call_of()
        voice(call, 1_000, 2_000)
        ends(call, 1_000, 2_000, "Are you open?")
        voice(call, 4_000, 4_200)
        ends(call, 4_000, 4_200, "")
        ticks(call, 5_500, 11_000)
        assert len(call.all(do.AbandonEngine)) == 1


class TestBargeIn:
    def test_a_model_that_began_into_the_callers_voice_was_not_interrupted_by_it(self) -> None:
        call = call_of()
        call.at(1_080, ev.CallerSpeech("started", 1_000))
        model_says(call, 1_950, "m1", ("Sure, gladly.", 900.0))
        assert call.at(2_000, ev.BargeInDetected(1_000)) == []
        call.at(2_850, ev.PlayoutFinished("m1", 900.0))
        assert call.machine.turns[-1].heard_text == "Sure, gladly."

    def test_our_own_voice_yields_to_a_voice_that_goes_on(self) -> None:
        call = call_of()
        call.at(1_080, ev.CallerSpeech("started", 1_000))
        model_says(call, 1_950, "a1", ("You are booked.", 900.0), live=False)
        assert call.at(2_000, ev.BargeInDetected(1_000)) == [do.StopPlayout()]

    def test_nor_one_whose_words_are_not_known_yet(self) -> None:
        call = call_of()
        call.at(1_080, ev.CallerSpeech("started", 1_000))
        call.at(1_950, ev.AgentAudio("m1", tone(80)), ev.PlayoutStarted("m1"))
        assert call.at(2_000, ev.BargeInDetected(1_000)) == []

    def test_a_voice_that_begins_while_the_model_speaks_stops_it(self) -> None:
        call = call_of()
        model_says(call, 1_000, "m1", ("We are open from nine to six.", 3_000.0))
        assert call.at(2_200, ev.BargeInDetected(2_050)) == [do.StopPlayout()]
        new = call.at(2_210, ev.PlayoutStopped("m1", 1_500.0))
        assert do.SendToEngine(do.Interrupted("m1", "We are open from")) in new

    def test_after_a_false_alarm_the_model_talks_on_by_itself(self) -> None:
        call = call_of()
        model_says(call, 1_000, "m1", ("We are open from nine to six.", 3_000.0))
        call.at(2_200, ev.BargeInDetected(2_050))
        call.at(2_210, ev.PlayoutStopped("m1", 1_500.0))
        call.at(3_000, ev.CallerTranscript("", True, 2_050, 2_300))
        assert not any(isinstance(value, do.Say) for value in call.sent())
        assert [entry.false_alarm for entry in call.entries if isinstance(entry, journal.Interrupted)] == [False, True]

    def test_after_a_false_alarm_our_own_voice_says_the_rest(self) -> None:
        call = call_of()
        model_says(call, 1_000, "m1", ("Let me see.", 500.0))
        call.at(1_500, ev.PlayoutFinished("m1", 500.0))
        model_says(call, 2_000, "a1", ("You are booked.", 1_000.0), ("See you on Monday.", 1_000.0), live=False)
        call.at(3_200, ev.BargeInDetected(3_050))
        call.at(3_210, ev.PlayoutStopped("a1", 1_100.0))
        call.at(3_900, ev.CallerTranscript("yeah", True, 3_050, 3_300))
        assert call.sent()[-1] == do.Say("See you on Monday.")

    @pytest.mark.parametrize("late_words", ["Are you open?", "okay", ""])
    def test_the_late_transcript_of_the_question_does_not_settle_an_interruption_of_the_answer(self, late_words: str) -> None:
        call = call_of()
        voice(call, 1_000, 2_000)
        model_says(call, 2_150, "m1", ("Yes, from nine to six every day of the week.", 4_000.0))
        call.at(2_550, ev.CallerSpeech("ended", 1_000, 2_000))
        call.at(3_000, ev.BargeInDetected(2_850), ev.CallerSpeech("started", 2_850))
        call.at(3_010, ev.PlayoutStopped("m1", 850.0))
        call.at(3_200, ev.CallerTranscript(late_words, True, 1_000, 2_000))
        noted = [entry.false_alarm for entry in call.entries if isinstance(entry, journal.Interrupted)]
        assert noted == [False], "nothing is known yet of what interrupted the agent"
        call.at(4_200, ev.CallerTranscript("", True, 2_850, 3_100))
        noted = [entry.false_alarm for entry in call.entries if isinstance(entry, journal.Interrupted)]
        assert noted == [False, True]

    def test_a_flush_of_the_engine_is_no_barge_in_and_keeps_what_was_heard(self) -> None:
        call = call_of()
        model_says(call, 1_000, "m1", ("You are booked for ten.", 2_000.0))
        assert call.at(2_000, ev.EngineFlush())[0] == do.StopPlayout()
        call.at(2_001, ev.PlayoutStopped("m1", 1_000.0))
        said = call.machine.turns[-1]
        assert (said.interrupted, said.heard_text, said.heard_ms) == (True, "You are booked", 1_000)
        assert not any(isinstance(entry, journal.Interrupted) for entry in call.entries)
        assert call.all(do.TellState)[-1] == do.TellState("listening")


class TestLatency:
    def stages(self, call: Timeline) -> list[session.StageTimes]:
        return [turn.stages for turn in call.machine.turns if turn.stages is not None]

    def finish(self, call: Timeline, at_ms: float, item_id: str, heard_ms: float) -> None:
        call.at(at_ms, ev.AgentItemEnded(item_id))
        call.at(at_ms, ev.PlayoutFinished(item_id, heard_ms))

    def test_it_runs_from_the_end_of_the_voice_to_the_first_sound(self) -> None:
        call = call_of()
        voice(call, 1_000, 2_000)
        call.at(2_300, ev.AgentText("m1", "Yes.", live=True))
        call.at(2_310, ev.AgentAudio("m1", tone(80)))
        call.at(2_330, ev.PlayoutStarted("m1"))
        ends(call, 1_000, 2_000, "Are you open?")
        self.finish(call, 3_300, "m1", 80.0)
        assert self.stages(call) == [session.StageTimes(first_sentence=310, transport=20, e2e=330)]
        assert call.all(do.TellLatency)[0].stages["e2e"] == 330

    def test_an_answer_faster_than_our_ear_is_measured_too(self) -> None:
        call = call_of()
        call.at(1_080, ev.CallerSpeech("started", 1_000))
        model_says(call, 2_090, "m1", ("Yes.", 400.0))
        call.at(2_200, ev.CallerSpeech("paused", 1_000, 2_000))
        ends(call, 1_000, 2_000, "Are you open?")
        self.finish(call, 3_300, "m1", 400.0)
        assert [one.e2e for one in self.stages(call)] == [90]

    def test_a_model_that_spoke_over_the_end_of_the_voice_has_no_latency_and_leaves_none_to_the_next_item(self) -> None:
        call = call_of()
        call.at(1_080, ev.CallerSpeech("started", 1_000))
        model_says(call, 1_900, "m1", ("Yes, we are.", 700.0))
        call.at(2_200, ev.CallerSpeech("paused", 1_000, 2_000))
        ends(call, 1_000, 2_000, "Are you open?")
        self.finish(call, 3_300, "m1", 700.0)
        model_says(call, 4_000, "m2", ("Anything else?", 500.0))
        self.finish(call, 4_500, "m2", 500.0)
        assert call.all(do.TellLatency) == []

    def test_a_pause_that_was_not_the_end_is_not_measured_from(self) -> None:
        call = call_of()
        voice(call, 1_000, 2_000)
        call.at(2_400, ev.CallerSpeech("resumed", 1_000))
        call.at(3_700, ev.CallerSpeech("paused", 1_000, 3_500))
        model_says(call, 3_800, "m1", ("Yes.", 400.0))
        self.finish(call, 4_300, "m1", 400.0)
        assert [one.e2e for one in self.stages(call)] == [300]

    def test_what_begins_after_a_pause_that_was_not_the_end_is_not_measured_either(self) -> None:
        call = call_of()
        voice(call, 1_000, 2_000)
        call.at(2_400, ev.CallerSpeech("resumed", 1_000))
        model_says(call, 2_600, "m1", ("Yes.", 400.0))
        self.finish(call, 3_000, "m1", 400.0)
        call.at(3_700, ev.CallerSpeech("paused", 1_000, 3_500))
        assert self.stages(call) == []

    def test_one_answer_takes_it_and_the_endpoint_after_it_makes_no_new_one(self) -> None:
        call = call_of()
        voice(call, 1_000, 2_000)
        model_says(call, 2_250, "m1", ("Yes.", 200.0))
        self.finish(call, 2_460, "m1", 200.0)
        ends(call, 1_000, 2_000, "Are you open?")
        model_says(call, 4_000, "m2", ("Until six.", 500.0))
        self.finish(call, 4_500, "m2", 500.0)
        assert [one.e2e for one in self.stages(call)] == [250]

    def test_noise_leaves_no_timer_to_what_the_model_says_later(self) -> None:
        call = call_of()
        voice(call, 1_000, 2_000)
        ends(call, 1_000, 2_000, "")
        model_says(call, 4_000, "m1", ("By the way, we have a new barber.", 900.0))
        self.finish(call, 4_900, "m1", 900.0)
        assert self.stages(call) == []

    def test_an_utterance_that_is_never_transcribed_leaves_none_either(self) -> None:
        call = call_of()
        voice(call, 1_000, 2_000)
        call.at(2_550, ev.CallerSpeech("ended", 1_000, 2_000))
        model_says(call, 60_000, "m1", ("Are you still there?", 900.0))
        self.finish(call, 60_900, "m1", 900.0)
        assert self.stages(call) == []

    def test_the_late_transcript_of_one_utterance_leaves_the_timer_of_the_next_alone(self) -> None:
        call = call_of()
        voice(call, 1_000, 2_000)
        call.at(2_550, ev.CallerSpeech("ended", 1_000, 2_000))
        voice(call, 3_000, 3_800)
        call.at(4_010, ev.CallerTranscript("", True, 1_000, 2_000))
        model_says(call, 4_100, "m1", ("Yes.", 200.0))
        self.finish(call, 4_300, "m1", 200.0)
        assert [one.e2e for one in self.stages(call)] == [300]

    def test_a_model_that_is_heard_before_its_words_are_known_is_measured_alike(self) -> None:
        call = call_of()
        voice(call, 1_000, 2_000)
        call.at(2_550, ev.CallerSpeech("ended", 1_000, 2_000))
        call.at(2_600, ev.AgentAudio("m1", tone(80)))
        call.at(2_610, ev.PlayoutStarted("m1"))
        call.at(2_680, ev.AgentText("m1", "Yes.", live=True), ev.AgentAudio("m1", tone(320)))
        self.finish(call, 3_010, "m1", 400.0)
        assert self.stages(call) == [session.StageTimes(first_sentence=600, transport=10, e2e=610)]

    def test_our_own_voice_has_all_stages(self) -> None:
        call = call_of()
        voice(call, 1_000, 2_000)
        ends(call, 1_000, 2_000, "Book ten, please.", transcript_ms=700)
        call.at(3_000, ev.AgentText("a1", "You are booked."))
        call.at(3_200, ev.AgentAudio("a1", tone(900)))
        call.at(3_210, ev.PlayoutStarted("a1"))
        self.finish(call, 4_100, "a1", 900.0)
        expected = session.StageTimes(silence_wait=550, stt=150, dialogue=300, first_sentence=200, transport=10, e2e=1_210)
        assert self.stages(call) == [expected]


class TestOrder:
    def early_answer(self) -> Timeline:
        call = call_of()
        voice(call, 1_000, 2_000)
        model_says(call, 2_150, "m1", ("Let me see.", 600.0))
        call.at(2_750, ev.AgentItemEnded("m1"), ev.PlayoutFinished("m1", 600.0))
        ends(call, 1_000, 2_000, "Is ten free?")
        return call

    def test_the_question_comes_before_an_answer_that_was_certain_earlier(self) -> None:
        call = self.early_answer()
        assert [(turn.i, turn.role) for turn in call.machine.turns] == [(0, "caller"), (1, "agent")]

    def test_a_tool_belongs_to_the_turn_that_asked_for_it(self) -> None:
        call = self.early_answer()
        model_says(call, 3_300, "m2", ("One second.", 400.0))
        call.at(3_400, ev.ToolRequested("t1", "book", {}))
        use = next(entry.use for entry in call.entries if isinstance(entry, journal.ToolNoted))
        journalled = next(entry.turn for entry in call.entries if isinstance(entry, journal.TurnNoted) and entry.turn.role == "caller")
        assert use.turn == journalled.i

    def test_partial_and_final_words_are_one_item_though_the_agent_speaks_between(self) -> None:
        call = call_of()
        call.at(1_500, ev.CallerTranscript("Is ten", False, 1_000))
        model_says(call, 2_150, "m1", ("Let me see.", 600.0))
        call.at(3_200, ev.CallerTranscript("Is ten free?", True, 1_000, 2_000))
        told = [one for one in call.all(do.TellTranscript) if one.role == "caller"]
        assert len({one.item_id for one in told}) == 1
        call.at(9_000, ev.CallerTyped("Hello?"))
        told = [one for one in call.all(do.TellTranscript) if one.role == "caller"]
        assert len({one.item_id for one in told}) == 2


class TestRecord:
    def test_rotations_and_slot_time_go_on_record_without_a_change_of_mode(self) -> None:
        call = call_of()
        call.at(200_000, ev.EngineRotated(2, 42.04, "window"))
        call.at(201_000, ev.AudioCounted(session.AudioFacts(), slot_ms=260_000.0))
        call.finish(201_000)
        rotations = [entry.rotation for entry in call.entries if isinstance(entry, journal.RotationNoted)]
        assert rotations == [session.EngineRotation(generation=2, at_ms=200_000, gap_ms=42.0, reason="window")]
        assert call.all(do.TellMode) == []
        assert isinstance(call.entries[-1], journal.Ended)
        assert call.entries[-1].slot_ms == 260_000
