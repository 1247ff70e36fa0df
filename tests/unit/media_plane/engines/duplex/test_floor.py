"""Who has the floor."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from media_plane.engines.duplex.floor import Floor


def floor(*, beside: bool = True) -> Floor:
    made = Floor(beside=beside)
    made.attend()
    return made


def test_the_model_leads_by_itself() -> None:
    assert floor().ruling(0) == "heard"


def test_nobody_listens_nobody_is_heard() -> None:
    assert Floor(beside=True).ruling(0) == "dropped"


def test_our_voice_mutes_the_model_as_long_as_it_sounds() -> None:
    stage = floor()
    stage.own_begins("a1")
    assert stage.ruling(0) == "dropped"
    stage.own_sounds(0, 500)
    stage.own_sounds(100, 500)
    stage.own_ended("a1")
    assert stage.ruling(999) == "dropped"
    assert stage.ruling(1_000) == "heard"


def test_what_is_interrupted_sounds_no_longer() -> None:
    stage = floor()
    stage.own_begins("a1")
    stage.own_sounds(0, 5_000)
    stage.own_stopped(700, "a1")
    assert stage.ruling(700) == "heard"
    stage.own_stopped(800, "a0")
    assert not stage.own_speaks(800)


def test_a_tool_and_words_hold_the_floor_until_the_agent_passes() -> None:
    stage = floor()
    stage.turn()
    assert stage.undecided
    stage.answer_begins()
    stage.tool_wanted("t1")
    assert stage.ruling(0) == "held"
    stage.tool_done("t1")
    stage.agent_speaks()
    stage.answer_ends(called_off=False)
    assert not stage.undecided
    assert stage.ruling(0) == "held"
    stage.answer_begins()
    assert stage.ruling(0) == "held"
    stage.answer_ends(called_off=False)
    assert stage.ruling(0) == "heard"


def test_a_tool_without_last_words_is_a_pass() -> None:
    stage = floor()
    stage.answer_begins()
    stage.agent_speaks()
    stage.tool_wanted("t1")
    stage.tool_done("t1")
    stage.answer_ends(called_off=False)
    assert stage.ruling(0) == "heard"


def test_a_claim_mutes_the_model_until_our_voice_has_the_correction_and_the_agent_has_spoken() -> None:
    stage = floor()
    stage.claim_met()
    assert stage.ruling(0) == "dropped"
    stage.claim_met_with()
    assert stage.ruling(0) == "held"
    alone = floor(beside=False)
    alone.claim_met()
    alone.claim_met_with()
    assert alone.ruling(0) == "heard"


def test_whether_the_agent_works() -> None:
    stage = floor()
    assert not stage.agent_works
    stage.turn()
    assert stage.agent_works
    stage.answer_begins()
    stage.tool_wanted("t1")
    stage.answer_ends(called_off=True)
    assert stage.agent_works
    stage.tool_done("t1")
    assert not stage.agent_works


@given(st.lists(st.tuples(st.sampled_from(["begins", "sounds", "ended", "stopped"]), st.integers(0, 400)), max_size=40))
def test_our_voice_is_over_exactly_when_its_audio_is(steps: list[tuple[str, int]]) -> None:
    stage, now_ms, until_ms, given = floor(), 0.0, 0.0, False
    for name, amount in steps:
        now_ms += amount
        match name:
            case "begins":
                stage.own_begins("a1")
                given = True
            case "sounds":
                stage.own_sounds(now_ms, amount)
                until_ms = max(until_ms, now_ms) + amount
            case "ended":
                stage.own_ended("a1")
                given = False
            case "stopped":
                stage.own_stopped(now_ms, "a1")
                until_ms, given = min(until_ms, now_ms), False
        assert (stage.ruling(now_ms) == "dropped") is (given or until_ms > now_ms)
