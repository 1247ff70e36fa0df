"""A model session is lost and another is set up: the caller hears our voice meanwhile, and what they said is answered."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from media_plane.conversation.commands import ToolAnswer
from media_plane.conversation.events import AgentText
from media_plane.dialogue.notes import unheard_note
from media_plane.dialogue.steps import Passed, SentenceReady
from media_plane.engines.duplex.gap import Gap
from media_plane.engines.duplex.memory import Memory
from media_plane.ports.speech_line import LineGap, LineNotice, LineRotated
from tests.unit.media_plane.engines.duplex.duplex_call import BRIEF, CONFIG, WANTED, Ear, Talk, talk

FILLERS = CONFIG.phrases.filler
MOVED = LineRotated(2, 3_000.0, "lost")
ANSWER = SentenceReady("We close at eight.")


async def dead(call: Talk, duration_ms: float) -> None:
    """The line gives nothing."""
    for _ in range(int(duration_ms // 100)):
        await call.clock.advance(100)


async def lost(call: Talk) -> None:
    call.line.give(LineGap())
    await call.clock.settle()


def fillers(call: Talk) -> list[float]:
    return [at for at, event in call.got if isinstance(event, AgentText) and event.text in FILLERS]


async def asks(call: Talk, text: str) -> None:
    """The caller says this, whatever the model does."""
    await call.caller_speaks()
    await call.turn(text)


async def test_our_voice_fills_the_gap_and_goes_on_every_three_and_a_half_seconds() -> None:
    async with talk() as call:
        began_ms = call.clock.monotonic_ms()
        await lost(call)
        await dead(call, 700)
        assert fillers(call) == []
        await dead(call, 4_300)
        first_ms, second_ms = fillers(call)
        assert 800 <= first_ms - began_ms <= 900
        assert second_ms - first_ms == 3_500
        assert call.texts() == [*FILLERS][:2]
        assert call.agent.memory == [], "a filler is no part of the conversation"


async def test_a_short_gap_needs_no_word() -> None:
    async with talk() as call:
        await lost(call)
        await dead(call, 700)
        call.line.give(MOVED)
        await call.quiet(4_000)
        assert fillers(call) == []


async def test_a_notice_is_no_gap() -> None:
    async with talk() as call:
        call.line.give(LineNotice("engine_no_spare", "none free"))
        await dead(call, 4_000)
        assert fillers(call) == []


async def test_what_the_new_session_says_over_the_filler_is_heard_after_it() -> None:
    async with talk() as call:
        await lost(call)
        await dead(call, 900)
        assert len(fillers(call)) == 1
        call.line.give(MOVED)
        await call.model(400, "Where", "were", "we?")
        await call.quiet(960)
        assert call.texts() == [FILLERS[0], "Where were we?"]


async def test_nobody_is_talked_over() -> None:
    async with talk([WANTED, SentenceReady("Done.")], ear=Ear(["Book"])) as call:
        await asks(call, "Book")
        await lost(call)
        await dead(call, 3_000)
        assert fillers(call) == [], "while a tool runs the conversation has fillers of its own"
        await call.send(ToolAnswer("t1", "ok"))
        await dead(call, 700)
        assert fillers(call) == []
        assert "Done." in call.texts()


async def test_what_the_model_owed_the_caller_is_answered_by_the_agent() -> None:
    async with talk([Passed()], [ANSWER], ear=Ear(["When do you close?"])) as call:
        await asks(call, "When do you close?")
        await lost(call)
        await dead(call, 1_000)
        assert call.texts() == ["We close at eight."]
        assert call.agent.memory[-1] == f"caller: {unheard_note('When do you close?')}"


async def test_half_an_answer_is_none() -> None:
    async with talk([Passed()], [ANSWER], ear=Ear(["When do you close?"])) as call:
        await asks(call, "When do you close?")
        await call.model(480, "Let", "me")
        await lost(call)
        await dead(call, 2_000)
        assert call.texts() == ["Let me", "We close at eight."]


async def test_who_has_been_answered_is_not_answered_again() -> None:
    async with talk([Passed()], [ANSWER], ear=Ear(["When do you close?"])) as call:
        await asks(call, "When do you close?")
        await call.model(480, "At", "eight.")
        await call.quiet(560)
        await lost(call)
        await dead(call, 700)
        assert call.texts() == ["At eight."]


async def test_old_words_that_needed_no_answer_get_none() -> None:
    async with talk([Passed()], [ANSWER], ear=Ear(["Fine."])) as call:
        await asks(call, "Fine.")
        await call.quiet(16_000)
        await lost(call)
        await dead(call, 700)
        assert call.texts() == []


async def test_words_said_into_the_gap_are_answered_by_the_agent_even_when_they_are_known_after_it() -> None:
    async with talk([ANSWER], ear=Ear(["When do you close?"])) as call:
        await lost(call)
        await call.caller_speaks()
        call.line.give(MOVED)
        await call.quiet(400)
        await call.turn("When do you close?")
        await call.quiet(400)
        assert call.agent.memory[0] == f"caller: {unheard_note('When do you close?')}"
        assert call.texts()[-1] == "We close at eight."


async def test_words_said_after_it_are_the_model_s_again() -> None:
    async with talk([Passed()], ear=Ear(["Hello"])) as call:
        await lost(call)
        call.line.give(MOVED)
        await call.quiet(400)
        await asks(call, "Hello")
        assert call.agent.memory == ["caller: Hello"]


async def test_an_agent_for_typed_words_answers_too_what_no_model_heard() -> None:
    async with talk([ANSWER], beside=False, ear=Ear(["When do you close?"])) as call:
        await asks(call, "When do you close?")
        assert call.agent.memory == []
        await lost(call)
        await dead(call, 700)
        assert call.agent.memory[0] == "caller: When do you close?"
        assert call.texts() == ["We close at eight."]


async def test_without_any_agent_the_gap_is_filled_all_the_same() -> None:
    async with talk(alone=True, beside=False, ear=Ear(["When do you close?"])) as call:
        await asks(call, "When do you close?")
        await lost(call)
        await dead(call, 2_000)
        assert call.texts() == [FILLERS[0]]


# --- the pure parts ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.booleans(), max_size=200))
def test_fillers_keep_their_distance_and_need_quiet(quiet: list[bool]) -> None:
    gap, said = Gap(("One.", "Two.")), list[tuple[float, str]]()
    gap.begins(0.0)
    for number, is_quiet in enumerate(quiet):
        at_ms = number * 100.0
        if text := gap.filler(at_ms, quiet=is_quiet):
            assert is_quiet
            assert all(quiet[max(0, number - 7) : number + 1])
            said.append((at_ms, text))
    times = [0.0 - 2_700.0, *(at_ms for at_ms, _ in said)]
    assert all(later - earlier >= 3_500 for earlier, later in pairwise(times))
    assert [text for _, text in said] == [("One.", "Two.")[number % 2] for number in range(len(said))]


def test_a_gap_that_is_over_or_has_no_phrases_is_silent() -> None:
    gap = Gap(())
    gap.begins(0)
    assert gap.filler(5_000, quiet=True) == ""
    gap = Gap(("One.",))
    assert not gap.swallowed(0)
    gap.begins(0)
    assert gap.swallowed(4_000)
    gap.ends(5_000)
    gap.ends(9_000)
    assert gap.filler(5_000, quiet=True) == ""
    assert (gap.swallowed(4_999), gap.swallowed(5_000)) == (True, False)


def test_only_a_whole_sentence_is_an_answer() -> None:
    memory = Memory(BRIEF)
    assert memory.unanswered() == ""
    memory.caller("Hello?")
    memory.agent("a1", "One moment.")
    memory.caller("Are you open?")
    assert memory.unanswered() == "Are you open?"
    assert memory.unanswered(("One moment.",)) == "Hello? Are you open?"
    memory.agent("m1", "We are")
    assert memory.unanswered() == "Are you open?"
    memory.agent("m1", "open. And")
    assert memory.unanswered() == ""
