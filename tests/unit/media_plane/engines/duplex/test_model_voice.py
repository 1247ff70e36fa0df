"""Who is heard: the model alone, the model giving way, held back, let go, interrupted, or caught claiming."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.conversation.events import AgentAudio, AgentItemEnded, AgentText, EngineFlush
from media_plane.engines.duplex.model_voice import Claimed, Out
from tests.unit.media_plane.engines.duplex.talking import FRAME_MS, SPEECH, Stage, audio_ms, claims_of, ends_of, flushes, items_of, text_of


def led() -> Stage:
    """A stage on which the model has been quiet for a while."""
    stage = Stage()
    stage.quiet(800)
    return stage


# --- the model leads ---------------------------------------------------------------------------------------------------------


def test_an_utterance_is_an_item_with_its_words_and_an_end() -> None:
    stage = led()
    stage.talk(960, "Good", "morning.")
    stage.quiet(560)
    assert items_of(stage.outs) == ["m1"]
    assert ends_of(stage.outs) == ["m1"]
    assert text_of(stage.outs) == "Good morning."
    assert all(out.live for out in stage.outs if isinstance(out, AgentText))
    assert isinstance(stage.outs[-1], AgentItemEnded)


def test_silence_is_never_given_so_lateness_does_not_grow() -> None:
    stage = led()
    for _ in range(5):
        stage.talk(800, "Hm.")
        stage.quiet(4_000)
    assert items_of(stage.outs) == ["m1", "m2", "m3", "m4", "m5"]
    assert audio_ms(stage.outs) <= 5 * (800 + 120 + 200)


def test_before_anybody_listens_nothing_is_said() -> None:
    stage = Stage()
    stage.floor = type(stage.floor)(beside=True)
    stage.__post_init__()
    stage.floor._attended = False
    stage.quiet(400)
    assert stage.talk(800, "Hello?") == []
    stage.floor.attend()
    assert items_of(stage.talk(1_400, "I", "go", "on")) == []
    assert items_of(stage.talk(400, "still.")) == ["m1"]


# --- our own voice -----------------------------------------------------------------------------------------------------------


def test_while_our_voice_sounds_the_model_is_not_heard_and_comes_back_at_its_next_onset() -> None:
    stage = led()
    stage.floor.own_begins("a1")
    stage.floor.own_sounds(stage.now_ms, 1_000)
    assert stage.talk(640, "Me", "too") == []
    stage.floor.own_ended("a1")
    assert stage.quiet(640) == []
    assert text_of(stage.talk(640, "Now", "me.") + stage.quiet(560)) == "Now me."


def test_a_model_that_talks_on_after_our_voice_is_heard_after_a_while() -> None:
    stage = led()
    stage.floor.own_begins("a1")
    stage.floor.own_sounds(stage.now_ms, 400)
    stage.floor.own_ended("a1")
    stage.talk(400 + 1_440, "and", "so", "on")
    assert items_of(stage.outs) == []
    stage.talk(240, "further.")
    assert items_of(stage.outs) == ["m1"]


def test_the_model_may_end_its_sentence_before_our_voice() -> None:
    stage = led()
    stage.talk(480, "Sure.")
    stage.floor.own_wants()
    stage.model.give_way(stage.now_ms)
    stage.quiet(320)
    assert ends_of(stage.outs) == ["m1"]
    assert flushes(stage.outs) == 0
    stage.quiet(240)
    assert not stage.model.sounds(stage.now_ms)
    assert text_of(stage.outs) == "Sure."


def test_a_new_sentence_is_not_begun_when_our_voice_waits() -> None:
    stage = led()
    stage.talk(480, "Sure.")
    stage.talk(80, "Let")
    stage.floor.own_wants()
    stage.model.give_way(stage.now_ms)
    stage.talk(480, "me", "see")
    assert text_of(stage.outs) == "Sure."
    assert ends_of(stage.outs) == ["m1"]


def test_a_long_sentence_is_cut_after_the_term() -> None:
    stage = led()
    stage.talk(480, "Well", "you")
    stage.floor.own_wants()
    stage.model.give_way(stage.now_ms)
    stage.talk(1_120, "know", "that", "we")
    assert flushes(stage.outs) == 0
    stage.talk(160, "have")
    assert flushes(stage.outs) == 1
    assert ends_of(stage.outs) == ["m1"]
    assert not stage.model.sounds(stage.now_ms)


def test_a_tool_stops_the_model_at_once() -> None:
    stage = led()
    stage.talk(480, "I", "will", "book")
    stage.floor.tool_wanted("t1")
    outs = stage.take(stage.model.cut(stage.now_ms))
    assert [type(out) for out in outs] == [EngineFlush, AgentItemEnded]
    assert stage.talk(800, "it", "now") == []


def test_cutting_a_silent_model_stops_nothing() -> None:
    assert led().model.cut(1_000) == []


# --- the agent holds the floor -----------------------------------------------------------------------------------------------


def holding() -> Stage:
    stage = led()
    stage.floor.answer_begins()
    stage.floor.agent_speaks()
    stage.floor.answer_ends(called_off=False)
    return stage


def decide(stage: Stage, *, words: bool) -> list[Out]:
    stage.floor.turn()
    stage.floor.answer_begins()
    if words:
        stage.floor.agent_speaks()
        stage.model.forget_held(stage.now_ms)
    stage.floor.answer_ends(called_off=False)
    return stage.take(stage.model.tick(stage.now_ms))


def test_what_is_held_back_is_let_go_when_the_agent_passes_and_goes_on_live() -> None:
    stage = holding()
    assert stage.talk(800, "Nice", "weather") == []
    outs = decide(stage, words=False)
    assert text_of(outs) == "Nice weather"
    assert 800 <= audio_ms(outs) <= 900
    outs = stage.talk(400, "today.") + stage.quiet(560)
    assert text_of(outs) == "today."
    assert items_of(stage.outs) == ["m1"]
    assert ends_of(stage.outs) == ["m1"]


def test_whole_utterances_held_back_are_items_of_their_own() -> None:
    stage = holding()
    stage.talk(400, "Yes.")
    stage.quiet(560)
    stage.talk(400, "Nice.")
    stage.quiet(560)
    outs = decide(stage, words=False)
    assert items_of(outs) == ends_of(outs) == ["m1", "m2"]
    assert text_of(outs) == "Yes. Nice."


def test_what_is_held_back_is_dropped_when_the_agent_speaks() -> None:
    stage = holding()
    stage.talk(800, "I", "guess")
    assert decide(stage, words=True) == []
    assert stage.talk(400, "so.") == []
    assert decide(stage, words=False) == []


def test_a_pass_while_our_voice_still_sounds_waits_for_it() -> None:
    stage = holding()
    stage.talk(400, "Right.")
    stage.quiet(560)
    stage.floor.own_begins("a1")
    stage.floor.own_sounds(stage.now_ms, 400)
    assert decide(stage, words=False) == []
    stage.floor.own_ended("a1")
    assert text_of(stage.quiet(480)) == "Right."


def test_the_caller_s_next_words_void_what_was_held_back_before_them() -> None:
    stage = holding()
    stage.talk(400, "Old.")
    stage.quiet(560)
    stage.model.caller_begins(stage.now_ms)
    stage.talk(160, "mhm")
    stage.quiet(560)
    stage.model.caller_pauses()
    stage.talk(400, "New.")
    stage.quiet(560)
    assert decide(stage, words=False) == [], "their words are not known yet"
    stage.model.caller_said(stage.now_ms, "And on Monday?")
    assert text_of(stage.quiet(80)) == "New."


def test_a_noise_of_the_caller_voids_nothing() -> None:
    stage = holding()
    stage.talk(400, "It", "is.")
    stage.quiet(560)
    stage.model.caller_begins(stage.now_ms)
    stage.model.caller_pauses()
    assert decide(stage, words=False) == []
    stage.model.caller_said(stage.now_ms, "")
    assert text_of(stage.quiet(80)) == "It is."


def test_words_of_the_caller_end_what_the_model_is_saying_unheard() -> None:
    stage = holding()
    stage.talk(480, "As", "I")
    stage.model.caller_begins(stage.now_ms)
    stage.talk(480, "was", "saying")
    stage.model.caller_said(stage.now_ms, "Monday")
    assert decide(stage, words=False) == []
    assert stage.talk(480, "about", "that") == []
    stage.quiet(320)
    assert text_of(stage.talk(480, "Monday!")) == "Monday!"


def test_of_several_utterances_the_oldest_is_dropped_first() -> None:
    stage = holding()
    for word in ("One.", "Two.", "Three."):
        stage.talk(2_400, word)
        stage.quiet(560)
    assert text_of(decide(stage, words=False)) == "Two. Three."


def test_at_most_six_seconds_are_held_back_and_they_begin_with_a_word() -> None:
    stage = holding()
    stage.talk(9_600, *(f"w{n}" for n in range(24)))
    outs = decide(stage, words=False)
    assert 5_000 < audio_ms(outs) <= 6_000
    assert isinstance(outs[0], AgentText)


def test_a_pass_on_a_tool_that_still_runs_lets_nothing_go() -> None:
    stage = led()
    stage.floor.answer_begins()
    stage.floor.tool_wanted("t1")
    stage.talk(400, "It", "is")
    stage.floor.answer_ends(called_off=False)
    assert stage.take(stage.model.tick(stage.now_ms)) == []
    stage.floor.tool_done("t1")
    assert decide(stage, words=False) != []


def test_a_called_off_answer_decides_nothing() -> None:
    stage = holding()
    stage.talk(400, "Hm.")
    stage.floor.answer_begins()
    stage.floor.answer_ends(called_off=True)
    assert stage.take(stage.model.tick(stage.now_ms)) == []


def test_without_an_agent_beside_a_typed_answer_gives_the_floor_back() -> None:
    stage = Stage(beside=False)
    stage.quiet(800)
    stage.floor.answer_begins()
    stage.floor.agent_speaks()
    stage.floor.answer_ends(called_off=False)
    assert items_of(stage.talk(400, "Fine.")) == ["m1"]


# --- interruptions -----------------------------------------------------------------------------------------------------------


def test_an_interrupted_item_is_over_until_the_model_pauses() -> None:
    stage = led()
    stage.talk(800, "As", "I", "was")
    stage.model.interrupted(stage.now_ms, "m1")
    assert stage.talk(800, "saying", "that") == []
    assert stage.quiet(320) == []
    assert items_of(stage.talk(400, "Yes?")) == ["m2"]


def test_a_model_that_was_not_interrupted_talks_on_as_a_new_item() -> None:
    stage = led()
    stage.talk(800, "As", "I", "was")
    stage.model.interrupted(stage.now_ms, "m1")
    assert items_of(stage.talk(1_440, "saying", "that", "all")) == []
    assert items_of(stage.talk(240, "day")) == ["m2"]


def test_the_model_s_own_flush_stops_playout_and_begins_anew() -> None:
    stage = led()
    stage.talk(800, "As", "I")
    assert [type(out) for out in stage.model.void(stage.now_ms)] == [EngineFlush, AgentItemEnded]
    assert items_of(stage.talk(400, "Yes?")) == ["m2"]


# --- claims ------------------------------------------------------------------------------------------------------------------


def test_a_claim_stops_the_model_to_the_end_of_its_utterance() -> None:
    stage = led()
    outs = stage.talk(1_200, "You", "are", "booked", "now")
    claim = claims_of(outs)[0]
    assert (claim.item_id, claim.claim.text, claim.heard) == ("m1", "You are booked", True)
    assert [type(out) for out in outs[-4:]] == [AgentText, EngineFlush, AgentItemEnded, Claimed]
    assert stage.talk(4_000, "see", "you", "then") == []
    assert stage.quiet(320) == []
    assert stage.talk(400, "bye") == []
    stage.quiet(560)
    stage.floor.claim_met()
    assert stage.talk(400, "So") == []


def test_a_claim_in_what_was_held_back_is_never_heard() -> None:
    stage = holding()
    stage.talk(400, "Fine.")
    stage.quiet(560)
    stage.talk(800, "You're", "booked", "in")
    outs = decide(stage, words=False)
    assert text_of(outs) == "Fine."
    assert [(one.item_id, one.heard) for one in claims_of(outs)] == [("m2", False)]
    assert audio_ms(stage.talk(800, "for", "two")) == 0


def test_claims_are_looked_for_once_more_at_the_end() -> None:
    stage = led()
    assert claims_of(stage.talk(480, "It's", "reserved")) == []
    outs = stage.quiet(560)
    assert len(claims_of(outs)) == 1
    assert ends_of(outs) == ["m1"]
    assert items_of(stage.talk(400, "So")) == ["m2"]


# --- laws --------------------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.sampled_from(["talk", "quiet", "word", "full stop", "claim"]),
        st.sampled_from(["own", "own ends", "tool", "tool done", "turn", "words", "pass", "called off"]),
        st.sampled_from(["caller", "caller pauses", "caller words", "caller noise", "interrupt", "interrupt old", "void", "corrected"]),
    ),
    max_size=80,
)


@dataclass(slots=True)
class Play:
    """Plays steps as the engine does, and checks after each that nothing was heard that must not be."""

    stage: Stage = field(default_factory=led)
    waiting: list[str] = field(default_factory=list)
    sounding: list[str] = field(default_factory=list)
    owns: int = 0
    open_claims: int = 0
    heard_while_own: float = 0.0

    def step(self, name: str) -> None:
        stage, before = self.stage, len(self.stage.outs)
        own = bool(self.sounding) or stage.floor.own_speaks(stage.now_ms)
        self._do(name)
        new = stage.outs[before:]
        if own and stage.floor.own_speaks(stage.now_ms):
            assert audio_ms(new) == 0
        for claim in claims_of(new):
            assert new[-1] is claim, "nothing is heard after a claim"
            stage.floor.claim_met()
            self.open_claims += 1
        self._grant()

    def _do(self, name: str) -> None:
        stage, now_ms = self.stage, self.stage.now_ms
        match name:
            case "talk":
                stage.talk(FRAME_MS * 3)
            case "quiet":
                stage.quiet(FRAME_MS * 4)
            case "word" | "full stop" | "claim":
                stage.take(stage.model.text(now_ms, {"word": " word", "full stop": " end.", "claim": " booked"}[name]))
            case "own" | "own ends" | "corrected":
                self._own(name)
            case "void":
                stage.take(stage.model.void(now_ms))
            case "interrupt" | "interrupt old":
                items = items_of(stage.outs) or ["m1"]
                stage.model.interrupted(now_ms, items[-1 if name == "interrupt" else 0])
            case _:
                self._agent_or_caller(name)
        stage.take(stage.model.tick(now_ms))

    def _own(self, name: str) -> None:
        if name == "own":
            self.owns += 1
            self.waiting.append(f"a{self.owns}")
            self.stage.floor.own_wants()
        elif name == "own ends" and self.sounding:
            self.stage.floor.own_ended(self.sounding.pop(0))
        elif name == "corrected" and self.open_claims:
            self.open_claims -= 1
            self.stage.floor.claim_met_with()

    def _agent_or_caller(self, name: str) -> None:
        floor, model, now_ms = self.stage.floor, self.stage.model, self.stage.now_ms
        if name in ("tool", "words", "pass", "called off"):
            floor.answer_begins()
        match name:
            case "tool":
                floor.tool_wanted("t")
                self.stage.take(model.cut(now_ms))
            case "words":
                floor.agent_speaks()
                model.forget_held(now_ms)
                floor.answer_ends(called_off=False)
            case "pass" | "called off":
                floor.answer_ends(called_off=name == "called off")
            case "tool done":
                floor.tool_done("t")
            case "turn":
                floor.turn()
            case "caller":
                model.caller_begins(now_ms)
            case "caller pauses":
                model.caller_pauses()
            case "caller words" | "caller noise":
                model.caller_said(now_ms, name.removeprefix("caller noise"))

    def _grant(self) -> None:
        stage = self.stage
        while self.waiting:
            if stage.model.sounds(stage.now_ms):
                stage.model.give_way(stage.now_ms)
                return
            item_id = self.waiting.pop(0)
            stage.floor.own_begins(item_id)
            stage.floor.own_wants_no_more()
            stage.floor.own_sounds(stage.now_ms, 300)
            self.sounding.append(item_id)


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_never_two_voices_items_in_order_nothing_after_an_end(steps: list[str]) -> None:
    play = Play()
    for name in steps:
        play.step(name)
    play.stage.quiet(1_600)
    outs = play.stage.outs
    ended: set[str] = set()
    order: list[str] = []
    for out in outs:
        if isinstance(out, AgentText | AgentAudio):
            assert out.item_id not in ended, "nothing of an item after its end"
            if out.item_id not in order:
                order.append(out.item_id)
            assert out.item_id == order[-1], "one item at a time"
        if isinstance(out, AgentItemEnded):
            assert out.item_id not in ended
            ended.add(out.item_id)
    assert order == sorted(order, key=lambda item_id: int(item_id[1:]))


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_our_voice_never_waits_longer_than_the_term(steps: list[str]) -> None:
    play = Play()
    for name in steps:
        play.step(name)
    play.step("own")
    for _ in range(16):
        play.stage.take(play.stage.model.audio(play.stage.now_ms + FRAME_MS, SPEECH))
        play.stage.now_ms += FRAME_MS
        play._grant()
    assert not play.waiting


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_a_claimed_item_is_claimed_once_and_the_model_is_silent_until_it_is_corrected(steps: list[str]) -> None:
    play = Play()
    for name in steps:
        uncorrected = play.open_claims
        before = len(play.stage.outs)
        play.step(name)
        if uncorrected and play.open_claims >= uncorrected:
            assert audio_ms(play.stage.outs[before:]) == 0
    claimed = [claim.item_id for claim in claims_of(play.stage.outs)]
    assert len(claimed) == len(set(claimed))
