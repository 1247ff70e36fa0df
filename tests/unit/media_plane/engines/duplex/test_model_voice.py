"""Who is heard: the model alone, the model giving way, held back, let go, interrupted, or caught claiming."""

from __future__ import annotations

from media_plane.conversation.events import AgentItemEnded, AgentText, EngineFlush
from media_plane.engines.duplex.model_voice import Claimed
from tests.unit.media_plane.engines.duplex.talking import Stage, audio_ms, claims_of, ends_of, flushes, items_of, led, text_of


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


def test_without_an_agent_beside_a_typed_answer_gives_the_floor_back() -> None:
    stage = Stage(beside=False)
    stage.quiet(800)
    stage.floor.answer_begins()
    stage.floor.agent_speaks()
    stage.floor.answer_ends(called_off=False)
    assert items_of(stage.talk(400, "Fine.")) == ["m1"]


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


def test_claims_are_looked_for_once_more_at_the_end() -> None:
    stage = led()
    assert claims_of(stage.talk(480, "It's", "reserved")) == []
    outs = stage.quiet(560)
    assert len(claims_of(outs)) == 1
    assert ends_of(outs) == ["m1"]
    assert items_of(stage.talk(400, "So")) == ["m2"]
