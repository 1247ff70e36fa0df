"""What another session of the model is told."""

from __future__ import annotations

from media_plane.engines.duplex.memory import Memory, note_fact, refuted_fact, tool_fact
from media_plane.ports.engine import CallBrief
from media_plane.ports.speech_line import Said
from nexus.domain.session import Turn
from nexus.domain.tenant import TenantConfig

CONFIG = TenantConfig(tenant_id="shop", system_prompt="Help.")


def memory(*turns: Turn) -> Memory:
    return Memory(CallBrief("call_1", CONFIG, (), "e1", history=turns))


def test_both_sides_in_order_as_far_as_heard() -> None:
    kept = memory()
    kept.agent("m1", "Hello")
    kept.agent("m1", "there.")
    kept.caller(" Hi. ")
    kept.agent("a1", "We have nine and ten.")
    kept.heard("a1", "We have nine")
    brief = kept.model_brief(2)
    assert brief.said == (Said("agent", "Hello there."), Said("caller", "Hi."), Said("agent", "We have nine"))
    assert (brief.call_id, brief.generation, brief.config) == ("call_1", 2, CONFIG)


def test_what_nobody_heard_was_not_said() -> None:
    kept = memory()
    kept.agent("m1", "Never mind.")
    kept.heard("m1", "")
    kept.caller("   ")
    kept.heard("unknown", "x")
    assert kept.model_brief(2).said == ()


def test_an_earlier_engine_s_turns_are_known() -> None:
    turns = (
        Turn(i=0, role="agent", start_ms=0, end_ms=1, text="Welcome to the shop.", heard_text="Welcome"),
        Turn(i=1, role="caller", start_ms=1, end_ms=2, text="Hello", heard_text="Hello"),
        Turn(i=2, role="agent", start_ms=2, end_ms=3, text="Lost", heard_text=""),
    )
    assert memory(*turns).model_brief(1).said == (Said("agent", "Welcome"), Said("caller", "Hello"))


def test_facts_are_one_line_each_and_not_repeated() -> None:
    kept = memory()
    kept.fact(tool_fact("book_appointment", "Booked for\n3 pm.", failed=False))
    kept.fact(tool_fact("send_text", "No number.", failed=True))
    kept.fact(refuted_fact("It's booked"))
    kept.fact(tool_fact("book_appointment", "Booked for 3 pm.", failed=False))
    facts = kept.model_brief(2).facts
    assert facts[0] == "send text did not succeed: No number."
    assert "It's booked" in facts[1]
    assert facts[2] == "book appointment is done: Booked for 3 pm."
    assert len(facts) == 3


def test_a_long_call_is_bounded() -> None:
    kept = memory()
    for index in range(1_000):
        kept.agent(f"m{index}", "word")
        kept.caller("word")
        kept.fact(f"fact {index} " + "x" * 2_000)
    brief = kept.model_brief(9)
    assert len(brief.said) == 200
    assert len(brief.facts) == 40
    assert max(map(len, brief.facts)) <= 500
    assert brief.facts[-1].startswith("fact 999")


def test_what_the_business_told_is_a_fact_for_the_next_session_and_for_the_next_engine() -> None:
    told = Memory(CallBrief("call_1", CONFIG, (), "e1", notes=("The garage is closed.",)))
    told.fact(note_fact("Dana is a regular."))
    known = "Good to know for this call: "
    assert told.model_brief(2).facts == (f"{known}The garage is closed.", f"{known}Dana is a regular.")
