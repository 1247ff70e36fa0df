"""What the model says while the agent beside it decides: held back, then let go or dropped."""

from __future__ import annotations

from media_plane.conversation.events import AgentText
from media_plane.engines.duplex.model_voice import Out
from tests.unit.media_plane.engines.duplex.talking import Stage, audio_ms, claims_of, ends_of, items_of, led, text_of


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


def test_a_claim_in_what_was_held_back_is_never_heard() -> None:
    stage = holding()
    stage.talk(400, "Fine.")
    stage.quiet(560)
    stage.talk(800, "You're", "booked", "in")
    outs = decide(stage, words=False)
    assert text_of(outs) == "Fine."
    assert [(one.item_id, one.heard) for one in claims_of(outs)] == [("m2", False)]
    assert audio_ms(stage.talk(800, "for", "two")) == 0
