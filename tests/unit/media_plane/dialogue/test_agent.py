"""The text agent at its door: sentences, tools, faults, barge-in and what stays in the conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from media_plane.conversation.commands import ToolOutcome
from media_plane.dialogue.agent import APOLOGY, AgentLimits, TextAgent
from media_plane.dialogue.notes import correction_note, typed_note
from media_plane.dialogue.steps import AgentStep, HangUp, Notice, Passed, SentenceReady, ToolWanted
from media_plane.ports.chat import AgentSaid, AnswerDone, CallerSaid, ToolCall, ToolReturned
from media_plane.ports.engine import CallBrief
from media_plane.ports.tools import ToolSpec
from nexus.clock import Clock
from nexus.domain.session import Turn
from nexus.domain.tenant import TenantConfig
from nexus.errors import UpstreamError
from tests.fakes.chat_models import WrittenChat

LOOK = ToolSpec("look", "Look.", {"type": "object", "properties": {}}, "read")
CALL = ToolCall("c1", "look", {})
OTHER = ToolCall("c2", "look", {"x": 1})
DONE = AnswerDone()


def agent_of(model: WrittenChat, *, history: tuple[Turn, ...] = (), limits: AgentLimits | None = None, beside: bool = False) -> TextAgent:
    config = TenantConfig(tenant_id="demo_shop", system_prompt="You are Sam.", timezone="Asia/Tokyo", knowledge_base={"hours": "9-17"})
    return TextAgent(model, CallBrief("call_x", config, (LOOK,), "a", "+12125550123", history), Clock(), limits, beside=beside)


async def steps(agent: TextAgent, text: str, outputs: dict[str, tuple[str, bool]] | None = None) -> list[AgentStep]:
    given = []
    async for step in agent.answer(text):
        given.append(step)
        if isinstance(step, ToolWanted) and outputs is not None:
            agent.tool_result(step.call.id, *outputs[step.call.id])
    return given


async def test_sentences_come_before_the_answer_is_complete() -> None:
    model = WrittenChat([["Hello there. How", None, " are you?", DONE]])
    agent = agent_of(model)
    stream = agent.answer("hi")
    assert await anext(stream) == SentenceReady("Hello there.")
    model.go.set()
    assert [step async for step in stream] == [SentenceReady("How are you?")]
    assert agent.messages == (CallerSaid("hi"), AgentSaid("Hello there. How are you?"))


async def test_the_prompt_holds_tenant_knowledge_local_time_and_the_number() -> None:
    model = WrittenChat([["Hi.", DONE]])
    await steps(agent_of(model), "hi")
    request = model.requests[0]
    for part in ("You are Sam.", "Business Information", "9-17", "Asia/Tokyo", "+12125550123", "## Tools"):
        assert part in request.system
    assert str(request.now.tzinfo) == "Asia/Tokyo"


async def test_tools_run_and_their_outcomes_go_back_in_order() -> None:
    model = WrittenChat([["Let me look.", AnswerDone(calls=(CALL, OTHER), verbatim="raw")], ["All free.", DONE]])
    agent = agent_of(model)
    given = await steps(agent, "free?", {"c1": ("one", False), "c2": ("two", True)})
    assert given == [SentenceReady("Let me look."), ToolWanted(CALL), ToolWanted(OTHER), SentenceReady("All free.")]
    assert model.requests[1].messages == (
        CallerSaid("free?"),
        AgentSaid("Let me look.", (CALL, OTHER), "raw"),
        ToolReturned(CALL, "one"),
        ToolReturned(OTHER, "two", failed=True),
    )


async def test_outcomes_out_of_order_wait_for_each_other() -> None:
    model = WrittenChat([[AnswerDone(calls=(CALL, OTHER))], ["Good.", DONE]])
    agent = agent_of(model)
    stream = agent.answer("go")
    assert [await anext(stream), await anext(stream)] == [ToolWanted(CALL), ToolWanted(OTHER)]
    agent.tool_result("c2", "two", False)
    agent.tool_result("c1", "one", False)
    agent.tool_result("c1", "again", False)
    assert [step async for step in stream] == [SentenceReady("Good.")]
    assert [message.output for message in agent.messages if isinstance(message, ToolReturned)] == ["one", "two"]


async def test_hanging_up_comes_last_even_with_a_tool_in_between() -> None:
    model = WrittenChat([["Bye.", AnswerDone(calls=(CALL,), hang_up=True)], ["Take care.", DONE]])
    given = await steps(agent_of(model), "bye", {"c1": ("ok", False)})
    assert given == [SentenceReady("Bye."), ToolWanted(CALL), SentenceReady("Take care."), HangUp()]


async def test_a_model_that_never_stops_asking_for_tools_is_stopped() -> None:
    model = WrittenChat([[AnswerDone(calls=(CALL,))]] * 3)
    agent = agent_of(model, limits=AgentLimits(rounds=3))
    given = await steps(agent, "go", {"c1": ("ok", False)})
    assert isinstance(given[-2], Notice)
    assert given[-1] == SentenceReady("I'm sorry, I couldn't do that just now.")
    assert model.answers == []


@pytest.mark.parametrize("answer", [[UpstreamError("model_failed", "no")], [DONE], [], ["   ", DONE]])
async def test_a_failing_or_empty_model_is_an_apology_and_a_notice(answer: list[AnswerDone | UpstreamError]) -> None:
    model = WrittenChat([answer, ["Fine.", DONE]])
    agent = agent_of(model)
    given = await steps(agent, "hi")
    assert [type(step) for step in given] == [Notice, SentenceReady]
    assert given[1] == SentenceReady(APOLOGY)
    assert await steps(agent, "again") == [SentenceReady("Fine.")]
    assert model.requests[1].messages == (CallerSaid("hi"), AgentSaid(APOLOGY), CallerSaid("again"))


async def test_retries_inside_the_model_go_on_record() -> None:
    given = await steps(agent_of(WrittenChat([["Fine.", AnswerDone(retries=1)]])), "hi")
    assert [step.code for step in given if isinstance(step, Notice)] == ["model_malformed_call"]


async def test_cancelling_stops_the_model_and_keeps_what_was_given() -> None:
    model = WrittenChat([["It is free. And", None, " cheap.", DONE]])
    agent = agent_of(model)
    given: list[AgentStep] = []

    async def run() -> None:
        async for step in agent.answer("price?"):
            given.append(step)

    task = asyncio.create_task(run())
    await model.waiting.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert given == [SentenceReady("It is free.")]
    assert model.closed == 1
    assert agent.messages == (CallerSaid("price?"), AgentSaid("It is free."))
    agent.interrupted("It is")
    assert agent.messages == (CallerSaid("price?"), AgentSaid("It is"))


async def test_a_tool_asked_before_a_barge_in_is_not_asked_again() -> None:
    model = WrittenChat([["Looking.", AnswerDone(calls=(CALL, OTHER), verbatim="raw")], ["Yes.", DONE]])
    agent = agent_of(model)
    stream: AsyncIterator[AgentStep] = agent.answer("free?")
    assert [await anext(stream), await anext(stream)] == [SentenceReady("Looking."), ToolWanted(CALL)]
    await stream.aclose()  # type: ignore[attr-defined]
    agent.interrupted("Looking.")
    second = asyncio.create_task(steps(agent, "hello?"))
    await asyncio.sleep(0)
    agent.tool_result("c1", "free", False)
    assert await second == [SentenceReady("Yes.")]
    assert model.requests[1].messages == (
        CallerSaid("free?"),
        AgentSaid("Looking.", (CALL,)),
        ToolReturned(CALL, "free"),
        CallerSaid("hello?"),
    )


async def test_words_said_while_a_tool_runs_stand_behind_its_outcome() -> None:
    model = WrittenChat([[AnswerDone(calls=(CALL,))], ["Yes.", DONE]])
    agent = agent_of(model)
    stream = agent.answer("free?")
    await anext(stream)
    agent.said("One moment.")
    agent.tool_result("c1", "free", False)
    assert [step async for step in stream] == [SentenceReady("Yes.")]
    assert agent.messages[-2:] == (AgentSaid("One moment."), AgentSaid("Yes."))


async def test_a_tool_that_never_answers_is_given_up() -> None:
    model = WrittenChat([[AnswerDone(calls=(CALL,))], ["Sorry.", DONE]])
    agent = agent_of(model, limits=AgentLimits(tool_wait_s=0.01))
    assert (await steps(agent, "go"))[-1] == SentenceReady("Sorry.")
    returned = model.requests[1].messages[-1]
    assert isinstance(returned, ToolReturned)
    assert returned.failed


async def test_an_interruption_while_the_answer_runs_ends_it() -> None:
    model = WrittenChat([["One. Two. Three. ", DONE]])
    agent = agent_of(model)
    stream = agent.answer("count")
    assert await anext(stream) == SentenceReady("One.")
    agent.interrupted("One.")
    assert [step async for step in stream] == []
    assert agent.messages == (CallerSaid("count"), AgentSaid("One."))


async def test_what_was_not_heard_is_forgotten_over_several_messages() -> None:
    model = WrittenChat([["Let me look.", AnswerDone(calls=(CALL,), verbatim="raw")], ["It is free at ten.", AnswerDone(verbatim="raw2")]])
    agent = agent_of(model)
    await steps(agent, "free?", {"c1": ("ten", False)})
    agent.interrupted("Let me look. It is fr")
    assert agent.messages == (CallerSaid("free?"), AgentSaid("Let me look.", (CALL,), "raw"), ToolReturned(CALL, "ten"), AgentSaid("It is"))


async def test_an_item_of_its_own_is_cut_alone() -> None:
    model = WrittenChat([["Let me look.", AnswerDone(calls=(CALL,), verbatim="raw")], ["It is free.", DONE]])
    agent = agent_of(model)
    await steps(agent, "free?", {"c1": ("ten", False)})
    agent.interrupted("It is")
    assert agent.messages[1] == AgentSaid("Let me look.", (CALL,), "raw")
    assert agent.messages[-1] == AgentSaid("It is")


async def test_an_answer_of_which_nothing_was_heard_disappears() -> None:
    agent = agent_of(WrittenChat([["It is free.", AnswerDone(verbatim="raw")]]))
    await steps(agent, "free?")
    agent.interrupted("")
    assert agent.messages == (CallerSaid("free?"),)


async def test_a_fresh_agent_takes_over_with_what_was_heard() -> None:
    history = (
        Turn(i=0, role="agent", start_ms=0, end_ms=1, text="Hello, this is Sam.", heard_text="Hello,", interrupted=True),
        Turn(i=1, role="caller", start_ms=1, end_ms=2, text="mm-hmm", heard_text="mm-hmm", backchannel=True),
        Turn(i=2, role="caller", start_ms=2, end_ms=3, text="Book me in", heard_text="Book me in"),
    )
    model = WrittenChat([["Sure.", DONE]])
    agent = agent_of(model, history=history)
    agent.said("I am back.")
    await steps(agent, "go on")
    assert model.requests[0].messages == (AgentSaid("Hello,"), CallerSaid("Book me in"), AgentSaid("I am back."), CallerSaid("go on"))


async def test_beside_a_voice_an_answer_without_words_is_a_pass() -> None:
    model = WrittenChat([[DONE], ["For which day?", DONE]])
    agent = agent_of(model, beside=True)
    assert await steps(agent, "hello") == [Passed()]
    agent.said("Hello! How are you?")
    assert await steps(agent, "a haircut, please") == [SentenceReady("For which day?")]
    assert model.requests[1].beside
    assert model.requests[1].messages == (CallerSaid("hello"), AgentSaid("Hello! How are you?"), CallerSaid("a haircut, please"))


async def test_beside_a_voice_a_goodbye_without_words_hangs_up_and_is_no_pass() -> None:
    assert await steps(agent_of(WrittenChat([[AnswerDone(hang_up=True)]]), beside=True), "bye") == [HangUp()]


@pytest.mark.parametrize("text", [correction_note("You're booked for three."), typed_note("hello")])
async def test_a_note_cannot_be_passed(text: str) -> None:
    given = await steps(agent_of(WrittenChat([[DONE]]), beside=True), text)
    assert [type(step) for step in given] == [Notice, SentenceReady]


async def test_what_a_tool_said_cannot_be_passed() -> None:
    given = await steps(agent_of(WrittenChat([[AnswerDone(calls=(CALL,))], [DONE]]), beside=True), "free?", {"c1": ("ten", False)})
    assert given[0] == ToolWanted(CALL)
    assert [type(step) for step in given[1:]] == [Notice, SentenceReady]


async def test_a_pass_after_a_retry_goes_on_record() -> None:
    given = await steps(agent_of(WrittenChat([[AnswerDone(retries=1)]]), beside=True), "hi")
    assert given[0] == Passed()
    assert [step.code for step in given[1:] if isinstance(step, Notice)] == ["model_malformed_call"]


async def test_a_failing_model_beside_a_voice_is_still_a_fault() -> None:
    given = await steps(agent_of(WrittenChat([[UpstreamError("model_failed", "no")]]), beside=True), "hi")
    assert [type(step) for step in given] == [Notice, SentenceReady]


async def test_only_the_agent_beside_a_voice_is_told_so() -> None:
    model = WrittenChat([["Hi.", DONE], ["Hi.", DONE]])
    await steps(agent_of(model), "hi")
    await steps(agent_of(model, beside=True), "hi")
    alone, beside = model.requests
    assert "PASS" not in alone.system
    assert beside.system.startswith(alone.system)
    assert "PASS" in beside.system
    assert not alone.beside


async def test_a_fresh_agent_knows_the_tools_of_the_one_before_it_where_they_were_asked_for() -> None:
    history = (
        Turn(i=0, role="caller", start_ms=1_000, end_ms=2_000, text="Is ten free?", heard_text="Is ten free?"),
        Turn(i=1, role="agent", start_ms=4_000, end_ms=5_000, text="It is.", heard_text="It is."),
    )
    outcomes = (ToolOutcome("tool_1", "look", {"at": 10}, "Free.", False, 3_000),)
    brief = CallBrief("call_x", TenantConfig(tenant_id="demo_shop", system_prompt="You are Sam."), (LOOK,), "a", "", history, outcomes)
    call = ToolCall("tool_1", "look", {"at": 10})
    told = (CallerSaid("Is ten free?"), AgentSaid("", (call,)), ToolReturned(call, "Free."), AgentSaid("It is."))
    assert TextAgent(WrittenChat([]), brief, Clock()).messages == told


async def test_a_tool_of_the_agent_before_is_answered_when_it_ends_and_stands_once() -> None:
    call = ToolCall("tool_1", "look", {})
    model = WrittenChat([["It is free.", DONE]])
    history = (Turn(i=0, role="caller", start_ms=0, end_ms=1, text="Is ten free?", heard_text="Is ten free?"),)
    outcomes = (ToolOutcome("tool_1", "look", {}, "Free.", False, 3_000),)
    agent = TextAgent(
        model, CallBrief("c", TenantConfig(tenant_id="shop", system_prompt="S."), (LOOK,), "a", "", history, outcomes), Clock()
    )
    agent.said("I'm back.")
    agent.tool_ended(call, "Free.", False)
    assert await steps(agent, "") == [SentenceReady("It is free.")]
    shown = (CallerSaid("Is ten free?"), AgentSaid("I'm back."), AgentSaid("", (call,)), ToolReturned(call, "Free."))
    assert model.requests[0].messages == shown


async def test_an_outcome_that_comes_with_the_caller_s_words_stands_before_them() -> None:
    model = WrittenChat([["Yes.", DONE]])
    agent = agent_of(model)
    agent.tool_ended(CALL, "Free.", True)
    await steps(agent, "And parking?")
    assert model.requests[0].messages == (AgentSaid("", (CALL,)), ToolReturned(CALL, "Free.", True), CallerSaid("And parking?"))


async def test_what_the_business_tells_counts_from_the_next_answer_on() -> None:
    model = WrittenChat([["Yes.", DONE], ["No, it is closed.", DONE]])
    agent = agent_of(model)
    await steps(agent, "Is there parking?")
    agent.informed("The garage is\nclosed today.")
    await steps(agent, "Sure?")
    before, after = model.requests
    assert "closed today" not in before.system and before.notes == ()
    assert "- The garage is closed today." in after.system and after.notes == ("The garage is\nclosed today.",)
    assert [type(message) for message in after.messages] == [CallerSaid, AgentSaid, CallerSaid], "nobody said it"


async def test_an_agent_that_takes_over_knows_the_newest_of_what_was_told() -> None:
    notes = tuple(f"Note {number}." for number in range(25))
    model = WrittenChat([["Fine.", DONE]])
    brief = CallBrief("c", TenantConfig(tenant_id="shop", system_prompt="S."), (), "a", notes=notes)
    await steps(TextAgent(model, brief, Clock()), "Hello")
    assert model.requests[0].notes == notes[-20:]
