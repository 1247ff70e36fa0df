"""The model claims what no tool has done: it is stopped, the caller is told at once and once, and the truth follows."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.conversation.commands import Interrupted, Say, ToolAnswer
from media_plane.conversation.events import AgentAudio, AgentItemEnded, AgentText, EngineFlush, EngineNotice
from media_plane.dialogue.notes import correction_note
from media_plane.dialogue.steps import Passed, SentenceReady
from media_plane.engines.duplex.corrections import CORRECTION
from media_plane.ports.speech_line import LineRotated, ModelFlush
from tests.unit.media_plane.engines.duplex.duplex_call import WANTED, Ear, Talk, talk

CLAIMED = "You're booked for three."
CLAIM = ("You're", "booked", "for", "three.", "See", "you", "then!")


async def claims(call: Talk) -> None:
    await call.model(2_240, *CLAIM)
    await call.quiet(640)


def notices(call: Talk) -> list[EngineNotice]:
    return [event for event in call.events if isinstance(event, EngineNotice) and event.code == "false_confirmation"]


async def test_a_claim_is_stopped_corrected_and_the_agent_is_asked_for_the_truth() -> None:
    async with talk([Passed()], [SentenceReady("What time would you like?")]) as call:
        await call.turn("Book me for three")
        await claims(call)
        assert [(one.stage, one.message) for one in notices(call)] == [("engine", CLAIMED)]
        await call.quiet(2_400)
        assert call.texts() == [CLAIMED, CORRECTION, "What time would you like?"]
        assert call.agent.memory[0] == "caller: Book me for three"
        assert f"caller: {correction_note(CLAIMED)}" in call.agent.memory
        assert call.agent.memory.index(f"said: {CORRECTION}") > 0


async def test_playout_stops_before_our_voice_begins() -> None:
    async with talk([Passed()]) as call:
        await call.turn("Book me for three")
        await claims(call)
        assert call.at(EngineFlush) <= call.at(EngineNotice) <= call.at(AgentAudio, "e1c1")
        of_model = [at for at, event in call.got if isinstance(event, AgentAudio) and event.item_id == "e1m1"]
        assert max(of_model) <= call.at(EngineFlush)
        assert call.line.refreshed == 1
        assert CLAIMED in call.line.brief(2).facts[0]


async def test_an_agent_that_is_about_to_answer_is_not_asked_again() -> None:
    async with talk([None, SentenceReady("What is your name?")]) as call:
        await call.turn("Book me for three")
        await claims(call)
        call.agent.go.set()
        await call.quiet(2_400)
        assert call.texts() == [CLAIMED, CORRECTION, "What is your name?"]
        assert len([line for line in call.agent.memory if line.startswith("caller: ")]) == 1


async def test_an_agent_that_passes_late_is_asked_again() -> None:
    async with talk([None, Passed()], [SentenceReady("What is your name?")]) as call:
        await call.turn("Book me for three")
        await claims(call)
        call.agent.go.set()
        await call.quiet(2_400)
        assert call.texts() == [CLAIMED, CORRECTION, "What is your name?"]
        assert len([line for line in call.agent.memory if line.startswith("caller: ")]) == 2


async def test_without_an_agent_the_correction_stands_alone_and_the_model_comes_back() -> None:
    async with talk(beside=False) as call:
        await claims(call)
        await call.quiet(2_400)
        await call.model(400, "Sorry.")
        assert call.texts()[:2] == [CLAIMED, CORRECTION]
        assert call.items()[-1] == "e1m2"


async def test_a_claim_that_nobody_heard_is_never_heard() -> None:
    async with talk([SentenceReady("Which day?")], [None, Passed()], [SentenceReady("Which time?")]) as call:
        await call.turn("An appointment")
        await call.quiet(960)
        await call.turn("Monday")
        await claims(call)
        call.agent.go.set()
        await call.quiet(3_200)
        assert "booked" not in " ".join(call.texts())
        assert call.texts()[-1] == "Which time?"
        assert len(notices(call)) == 1


async def test_while_a_write_tool_runs_the_model_cannot_claim_ahead_of_it() -> None:
    async with talk([WANTED, SentenceReady("Three is taken.")]) as call:
        await call.turn("Book me for three")
        await claims(call)
        assert call.of(AgentText) == []
        await call.send(ToolAnswer("t1", "Three is taken.", failed=True))
        await call.quiet(800)
        assert call.texts() == ["Three is taken."]
        assert notices(call) == []


async def test_two_claims_are_two_corrections() -> None:
    async with talk(beside=False) as call:
        for _ in range(2):
            await claims(call)
            await call.quiet(2_400)
        assert len(notices(call)) == 2
        assert call.texts().count(CORRECTION) == 2


ACTIONS = st.lists(
    st.one_of(
        st.sampled_from(["claim", "talk", "quiet", "quiet", "flush", "rotation"]),
        st.sampled_from(["turn", "typed", "caller", "say", "tool done", "tool failed", "interrupt", "go"]),
    ),
    max_size=16,
)
ANSWERS = st.lists(
    st.sampled_from(
        [
            (Passed(),),
            (None, Passed()),
            (SentenceReady("Which day would you like?"),),
            (None, SentenceReady("And your name?")),
            (WANTED, SentenceReady("Thank you.")),
            (WANTED,),
        ]
    ),
    max_size=8,
)


async def act(call: Talk, action: str) -> None:
    match action:
        case "claim":
            await claims(call)
        case "talk":
            await call.model(640, "Well,", "so", "it", "goes.")
        case "quiet":
            await call.quiet(640)
        case "turn" | "typed":
            await call.turn("Please book me for three", typed=action == "typed")
        case "caller":
            await call.caller_speaks()
        case "say":
            await call.send(Say("One moment.", remember=False))
        case "tool done" | "tool failed":
            await call.send(ToolAnswer("t1", "Three.", failed=action == "tool failed"))
        case "flush" | "rotation":
            call.line.give(ModelFlush() if action == "flush" else LineRotated(2, 100.0, "facts"))
        case "interrupt" if call.items():
            await call.send(Interrupted(call.items()[-1], ""))
        case _:
            call.agent.go.set()
    await call.clock.settle()


async def whole_call(answers: list[tuple[object, ...]], actions: list[str], *, beside: bool) -> Talk:
    async with talk(*answers, beside=beside, ear=Ear(["Yes"] * 20)) as call:  # type: ignore[arg-type]
        for action in actions:
            await act(call, action)
        call.agent.go.set()
        await call.send(ToolAnswer("t1", "Three.", failed=True))
        await call.quiet(8_000)
        return call


@settings(max_examples=60, deadline=None)
@given(ANSWERS, ACTIONS, st.booleans())
def test_laws_of_a_call(answers: list[tuple[object, ...]], actions: list[str], beside: bool) -> None:
    call = asyncio.run(whole_call(answers, actions, beside=beside))
    interrupted = actions.count("interrupt")
    corrections = sum(CORRECTION in text for text in call.texts())
    claimed = len(notices(call))
    assert claimed - interrupted <= corrections <= claimed, "each claim is corrected once (unless the caller cuts the correction off)"
    heard_until, speaker = 0.0, ""
    ended: set[str] = set()
    for at_ms, event in call.got:
        if isinstance(event, EngineFlush):
            heard_until = at_ms
        if isinstance(event, AgentItemEnded):
            ended.add(event.item_id)
        if isinstance(event, AgentAudio):
            assert event.item_id not in ended, "nothing of an item after its end"
            kind = event.item_id[2]
            if {kind, speaker} == {"m", "a"} or {kind, speaker} == {"m", "c"}:
                assert interrupted or at_ms >= heard_until - 1e-6, "never two voices at once"
            heard_until, speaker = max(heard_until, at_ms) + event.frame.duration_ms, kind
