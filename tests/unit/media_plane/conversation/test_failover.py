"""One engine takes over from another, or keeps the caller waiting: what is said, told and asked."""

from __future__ import annotations

from media_plane.conversation import commands as do
from media_plane.conversation import events as ev
from nexus.domain import journal, session
from tests.unit.media_plane.conversation.duplex_calls import MODEL, asked, call_of, ends, model_says, ticks, voice
from tests.unit.media_plane.conversation.timeline import VOICE, Timeline, tenant

NEXT = ev.EngineReady("cascade", voice=True, own_turns=False, reason="engine_lost")
BACK = do.Say("Sorry about that, I'm back.")


class TestFailover:
    def heard_before(self, **changes: object) -> Timeline:
        call = call_of(**changes)
        model_says(call, 500, "m0", ("Hello there.", 600.0))
        call.at(510, ev.AgentItemEnded("m0"))
        call.at(1_100, ev.PlayoutFinished("m0", 600.0))
        return call

    def test_the_caller_is_told_of_another_voice_engine_with_the_reason(self) -> None:
        call = self.heard_before()
        call.at(9_000, NEXT)
        assert call.all(do.TellMode) == [do.TellMode("voice", "engine_lost")]
        noted = [entry.change for entry in call.entries if isinstance(entry, journal.ModeNoted)]
        assert noted == [session.ModeChange(to="voice", reason="engine_lost", at_ms=9_000)]

    def test_when_nothing_is_owed_the_new_voice_says_that_it_is_back(self) -> None:
        call = self.heard_before()
        call.at(9_000, NEXT)
        assert call.sent()[-1] == BACK
        assert asked(call) == []

    def test_when_an_answer_is_owed_the_answer_is_enough(self) -> None:
        call = self.heard_before()
        voice(call, 2_000, 3_000)
        ends(call, 2_000, 3_000, "Are you open?")
        call.at(9_000, NEXT)
        assert asked(call)[-1] == do.CallerTurn("Are you open?", typed=True)
        assert BACK not in call.sent()

    def test_when_the_agent_was_cut_off_it_says_so_first(self) -> None:
        call = self.heard_before()
        model_says(call, 5_000, "m1", ("We are open from nine to", 1_500.0))
        call.at(5_700, ev.EngineFailed("engine_lost", "gone"))
        new = call.at(5_800, NEXT)
        assert do.SendToEngine(BACK) in new
        assert do.EndItem("m1") in new, "what was given of it is heard out"

    def test_cut_off_and_asked_it_says_so_and_answers(self) -> None:
        call = self.heard_before(barge_in={"enabled": False})
        call.at(4_000, VOICE)
        call.agent_says(5_000, "c1", ("We are open from nine to", 1_500.0), end=False)
        call.at(5_300, ev.CallerTranscript("And on Sunday?", True, 4_500, 5_200))
        call.at(5_700, NEXT)
        assert call.sent()[-2:] == [BACK, do.CallerTurn("And on Sunday?", typed=True)]

    def test_a_tenant_may_have_it_say_nothing(self) -> None:
        call = self.heard_before(phrases={"engine_changed": ""})
        call.at(9_000, NEXT)
        assert not any(isinstance(value, do.Say) for value in call.sent())

    def test_an_agent_that_was_never_heard_greets_with_the_new_voice(self) -> None:
        call = Timeline(tenant(recording={"enabled": True, "consent_line": "This call is recorded."}))
        call.at(0, MODEL)
        call.at(700, NEXT)
        assert call.sent() == [do.Say("This call is recorded. Hello there.")] * 2

    def test_an_agent_that_is_about_to_hang_up_adds_nothing(self) -> None:
        call = self.heard_before()
        model_says(call, 5_000, "m1", ("Goodbye!", 800.0))
        call.at(5_100, ev.HangUpRequested())
        call.at(5_200, NEXT)
        assert BACK not in call.sent()

    def test_what_it_says_then_is_no_late_answer(self) -> None:
        call = self.heard_before()
        voice(call, 2_000, 3_000)
        call.at(3_550, ev.CallerSpeech("ended", 2_000, 3_000))
        call.at(4_000, NEXT)
        call.agent_says(4_500, "e2-1", ("Sorry about that, I'm back.", 900.0))
        assert call.all(do.TellLatency) == []

    def test_a_second_engine_from_the_start_is_told_and_greets(self) -> None:
        call = Timeline()
        call.at(2_000, ev.EngineReady("cascade", voice=True, own_turns=False, reason="no_engine_slot"))
        assert call.all(do.TellMode) == [do.TellMode("voice", "no_engine_slot")]
        assert call.sent() == [do.Say("Hello there.")]


class TestConnecting:
    def test_it_is_told_again_while_a_lost_engine_is_replaced(self) -> None:
        call = call_of()
        call.at(5_000, ev.EngineFailed("engine_lost", "gone"))
        call.at(9_000, NEXT)
        assert [one.state for one in call.all(do.TellState)] == ["listening", "connecting", "listening"]

    def test_what_a_lost_engine_has_given_is_still_spoken(self) -> None:
        call = call_of()
        model_says(call, 4_000, "m1", ("We are open from nine to", 2_500.0))
        call.at(5_000, ev.EngineFailed("engine_lost", "gone"))
        call.at(5_100, NEXT)
        assert [one.state for one in call.all(do.TellState)][-2:] == ["connecting", "speaking"]

    def test_nothing_but_connecting_is_told_before_the_engine_is_ready(self) -> None:
        call = Timeline()
        assert call.machine.begin() == [do.TellState("connecting")]
        call.at(100, ev.CallerSpeech("started", 50))
        call.at(900, ev.CallerSpeech("ended", 50, 300))
        call.at(1_000, ev.CallerTyped("Hello?"))
        ticks(call, 1_100, 9_000)
        assert call.all(do.TellState) == []
        assert call.all(do.AbandonEngine) == [], "there is nothing yet to be abandoned"
        new = call.at(9_000, VOICE)
        assert [one.state for one in new if isinstance(one, do.TellState)] == ["listening", "thinking"]
        assert call.all(do.TellState)[-2:] == [do.TellState("listening"), do.TellState("thinking")]
        assert asked(call)[-1] == do.CallerTurn("Hello?", typed=True)
