"""The Gemini adapter: the real SDK against a strict loopback server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from media_plane.models.gemini import GeminiAccess, GeminiChat
from media_plane.models.gemini_wire import contents_of
from media_plane.ports.chat import AgentSaid, AnswerDone, CallerSaid, ChatMessage, ChatRequest, TextDelta, ToolCall, ToolReturned
from media_plane.ports.tools import ToolSpec
from nexus.domain.tenant import TenantConfig
from nexus.errors import UpstreamError
from tests.fakes.gemini_server import GeminiServer, Turn, call, gemini_server, text

HINTED = {"type": "object", "properties": {"day": {"type": "string", "x-nexus": {"ask": "Which day?"}}}, "required": ["day"]}
LOOK = ToolSpec("look", "Look something up.", HINTED, "read")
MALFORMED = Turn(finish="MALFORMED_FUNCTION_CALL")
EMPTY = Turn()
GOOD = text("All good.")


def request(*messages: ChatMessage, beside: bool = False) -> ChatRequest:
    config = TenantConfig(tenant_id="demo_shop", system_prompt="x")
    return ChatRequest("You are Sam.", messages or (CallerSaid("hi"),), (LOOK,), datetime(2026, 11, 21, tzinfo=UTC), config, beside=beside)


@asynccontextmanager
async def serving(*turns: Turn, timeout_s: float = 5.0) -> AsyncIterator[tuple[GeminiServer, GeminiChat]]:
    async with gemini_server(*turns) as server:
        model = GeminiChat(GeminiAccess(server.key, "gemini-test", base_url=server.base_url, timeout_s=timeout_s, retry_delay_s=0.01))
        yield server, model
        await model.close()


async def collect(model: GeminiChat, asked: ChatRequest) -> tuple[str, AnswerDone]:
    items = [item async for item in model.stream(asked)]
    done = items.pop()
    assert isinstance(done, AnswerDone)
    return "".join(item.text for item in items if isinstance(item, TextDelta)), done


async def test_text_streams_and_usage_is_counted() -> None:
    async with serving(text("Hello", " there.")) as (server, model):
        said, done = await collect(model, request())
    assert said == "Hello there."
    assert done.usage == {"input_tokens": 10, "output_tokens": 5}
    body = server.requests[0]
    assert body["systemInstruction"]["parts"] == [{"text": "You are Sam."}]
    names = [declaration["name"] for declaration in body["tools"][0]["functionDeclarations"]]
    assert names == ["look", "end_call"]
    assert server.violations == []


async def test_a_call_goes_back_with_its_signature_and_its_outcome() -> None:
    async with serving(call("look", {"day": "monday"}, before="Let me see."), GOOD) as (server, model):
        said, done = await collect(model, request())
        assert (said, done.calls) == ("Let me see.", (ToolCall("fc-1", "look", {"day": "monday"}),))
        back = (CallerSaid("hi"), AgentSaid(said, done.calls, done.verbatim), ToolReturned(done.calls[0], "nothing", failed=True))
        assert (await collect(model, request(*back)))[0] == "All good."
    assert server.violations == []
    contents = server.requests[1]["contents"]
    assert contents[1]["parts"][1]["thoughtSignature"] == "c2ln"
    assert contents[2]["parts"][0]["functionResponse"]["response"] == {"error": "nothing"}


async def test_the_fake_notices_a_lost_signature() -> None:
    async with serving(call("look", {"day": "monday"}), GOOD) as (server, model):
        _, done = await collect(model, request())
        with pytest.raises(UpstreamError):
            await collect(model, request(CallerSaid("hi"), AgentSaid("", done.calls), ToolReturned(done.calls[0], "x")))
    assert server.violations == ["a function call came back without its thought signature"]


async def test_a_conversation_that_the_agent_began_is_accepted() -> None:
    async with serving(GOOD) as (server, model):
        await collect(model, request(AgentSaid("Hello!"), CallerSaid("hi"), CallerSaid("there")))
    assert [content["role"] for content in server.requests[0]["contents"]] == ["user", "model", "user"]


async def test_thoughts_are_not_spoken_but_kept() -> None:
    async with serving(Turn((({"text": "thinking", "thought": True},), ({"text": "Yes."},)))) as (_, model):
        said, done = await collect(model, request())
    assert said == "Yes."
    assert len(done.verbatim) == 2


async def test_end_call_hangs_up_and_is_no_tool() -> None:
    async with serving(call("end_call", {}, before="Goodbye!")) as (_, model):
        said, done = await collect(model, request())
    assert (said, done.hang_up, done.calls) == ("Goodbye!", True, ())
    assert [part.text for part in done.verbatim] == ["Goodbye!"]


@pytest.mark.parametrize("bad", [MALFORMED, EMPTY, call("unknown_tool", {"day": "x"}), call("look", {})])
async def test_a_bad_answer_is_asked_for_once_more(bad: Turn) -> None:
    async with serving(bad, GOOD) as (_, model):
        said, done = await collect(model, request())
    assert (said, done.retries) == ("All good.", 1)


@pytest.mark.parametrize("bad", [MALFORMED, EMPTY, call("unknown_tool", {"day": "x"})])
async def test_two_bad_answers_are_an_error(bad: Turn) -> None:
    async with serving(bad, bad) as (server, model):
        with pytest.raises(UpstreamError) as caught:
            await collect(model, request())
    assert caught.value.code == "model_malformed_call"
    assert len(server.requests) == 2


async def test_a_bad_call_after_spoken_words_keeps_the_words() -> None:
    async with serving(call("unknown_tool", {}, before="One moment.")) as (_, model):
        said, done = await collect(model, request())
    assert (said, done.calls, done.retries) == ("One moment.", (), 1)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_passing_trouble_is_tried_again(status: int) -> None:
    async with serving(Turn(status=status), Turn(status=status), GOOD) as (_, model):
        assert (await collect(model, request()))[0] == "All good."


@pytest.mark.parametrize(("status", "retryable"), [(400, False), (404, False), (500, True), (429, True)])
async def test_lasting_trouble_is_our_error_without_the_key(status: int, retryable: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(*[Turn(status=status)] * 3) as (server, model):
        with pytest.raises(UpstreamError) as caught:
            await collect(model, request())
    assert (caught.value.code, caught.value.retryable) == ("model_failed", retryable)
    assert server.key not in f"{caught.value} {caught.value.public_message} {model._access}"
    assert server.key not in caplog.text


async def test_a_wrong_key_names_the_setting() -> None:
    async with gemini_server(GOOD) as server:
        model = GeminiChat(GeminiAccess("another-key", "gemini-test", base_url=server.base_url, retry_delay_s=0.01))
        with pytest.raises(UpstreamError, match="GEMINI_API_KEY"):
            await collect(model, request())
        await model.close()


async def test_a_cut_stream_is_an_error_after_the_words_that_came() -> None:
    async with serving(Turn((({"text": "Half a "},),), cut=True)) as (_, model):
        given: list[Any] = []
        with pytest.raises(UpstreamError) as caught:
            async for item in model.stream(request()):
                given.append(item)
    assert given == [TextDelta("Half a ")]
    assert caught.value.code == "model_failed"


async def test_a_silent_server_runs_into_the_deadline() -> None:
    async with serving(*[Turn((({"text": "Wait"},),), hold=True)] * 3, timeout_s=0.2) as (_, model):
        with pytest.raises(UpstreamError) as caught:
            await collect(model, request())
    assert caught.value.code == "model_failed"


async def test_nobody_listening_is_our_error() -> None:
    model = GeminiChat(GeminiAccess("k", "gemini-test", base_url="http://127.0.0.1:9", timeout_s=1, retry_delay_s=0.01))
    with pytest.raises(UpstreamError) as caught:
        await collect(model, request())
    assert caught.value.code == "model_failed"
    await model.close()


async def test_cancelling_closes_the_connection() -> None:
    async with serving(Turn((({"text": "Long "},),), hold=True)) as (server, model):

        async def listen() -> None:
            async for _ in model.stream(request()):
                pass

        task = asyncio.create_task(listen())
        await asyncio.wait_for(server.held.wait(), 5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(server.left.wait(), 5)
    assert server.disconnects == 1


@pytest.mark.parametrize("passed", [text("PASS"), text("p", "a", "ss", "."), text("**PASS**\n"), text("PASS", " (small talk)"), EMPTY])
async def test_beside_a_voice_a_pass_is_silent_and_asked_for_once(passed: Turn) -> None:
    async with serving(passed) as (server, model):
        items = [item async for item in model.stream(request(beside=True))]
    assert [type(item) for item in items] == [AnswerDone]
    assert items[0] == AnswerDone(verbatim=items[0].verbatim, usage=items[0].usage)  # type: ignore[union-attr]
    assert (len(server.requests), server.violations) == (1, [])


async def test_the_word_of_a_pass_is_only_filtered_beside_a_voice() -> None:
    async with serving(text("PASS"), text("Pass", " me your number.")) as (_, model):
        assert (await collect(model, request()))[0] == "PASS"
        assert (await collect(model, request(beside=True)))[0] == "Pass me your number."


@pytest.mark.parametrize("bad", [text("PASS"), EMPTY])
async def test_a_tool_outcome_cannot_be_passed(bad: Turn) -> None:
    """What a tool said must be told: a pass there is a bad answer, asked for once more."""
    async with serving(call("look", {"day": "monday"}), bad, GOOD) as (server, model):
        _, done = await collect(model, request(beside=True))
        messages = (CallerSaid("hi"), AgentSaid("", done.calls, done.verbatim), ToolReturned(done.calls[0], "Free."))
        said, after = await collect(model, request(*messages, beside=True))
    assert (said, after.retries) == ("All good.", 1)
    assert server.violations == []


async def test_malformed_answers_are_no_pass() -> None:
    async with serving(MALFORMED, GOOD) as (_, model):
        said, done = await collect(model, request(beside=True))
    assert (said, done.retries) == ("All good.", 1)


async def test_words_of_the_voice_are_the_model_own_on_the_wire() -> None:
    async with serving(GOOD) as (server, model):
        await collect(model, request(CallerSaid("hi"), AgentSaid("Hello!"), CallerSaid("Book me in."), CallerSaid("Please."), beside=True))
    assert [content["role"] for content in server.requests[0]["contents"]] == ["user", "model", "user"]
    assert server.violations == []


def test_a_call_that_another_model_made_is_shown_with_the_signature_that_stands_for_none() -> None:
    calls = (ToolCall("tool_1", "look", {"at": 10}), ToolCall("tool_2", "look", {"at": 11}))
    parts = contents_of([CallerSaid("Is ten free?"), AgentSaid("", calls)])[1].parts or []
    assert [part.thought_signature for part in parts] == [b"skip_thought_signature_validator", None]
    assert [part.function_call.id for part in parts if part.function_call] == ["tool_1", "tool_2"]
