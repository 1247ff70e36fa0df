"""One suite over every ChatModel: text, then exactly one end; only offered tools; cancelling stops; beside a voice, passes and words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from media_plane.dialogue.notes import correction_note
from media_plane.models.gemini import GeminiAccess, GeminiChat
from media_plane.models.scripted import ScriptedChat
from media_plane.ports.chat import AgentSaid, AnswerDone, CallerSaid, ChatMessage, ChatModel, ChatRequest, TextDelta, ToolReturned
from media_plane.ports.tools import ToolSpec
from nexus.domain.tenant import TenantConfig
from tests.fakes.gemini_server import Turn, call, gemini_server, text

ROOM = ToolSpec(
    "find_room",
    "Find a free room on a day.",
    {"type": "object", "properties": {"date": {"type": "string", "format": "date"}}, "required": ["date"]},
    "read",
)
WANT = "Is there a free room on November 24th?"
Opened = AbstractAsyncContextManager[ChatModel]


@asynccontextmanager
async def scripted() -> AsyncIterator[ChatModel]:
    yield ScriptedChat()


@asynccontextmanager
async def gemini(*turns: Turn) -> AsyncIterator[ChatModel]:
    async with gemini_server(*(turns or (call("find_room", {"date": "2026-11-24"}), text("Room four ", "is free.")))) as server:
        model = GeminiChat(GeminiAccess(server.key, "gemini-test", base_url=server.base_url, timeout_s=5, retry_delay_s=0.01))
        yield model
        await model.close()
        assert server.violations == []


@asynccontextmanager
async def gemini_beside() -> AsyncIterator[ChatModel]:
    """Passes once, then works; it says the word in pieces, as the service does."""
    turns = (text("PA", "SS", "\n"), call("find_room", {"date": "2026-11-24"}, before="PASS"), text("Room four ", "is free."))
    async with gemini(*turns) as model:
        yield model


@asynccontextmanager
async def gemini_correcting() -> AsyncIterator[ChatModel]:
    """Passes where it must not, then speaks."""
    async with gemini(text("PASS"), text("I'm sorry, nothing is booked yet. For which day?")) as model:
        yield model


MODELS = pytest.mark.parametrize("opened", [scripted, gemini])


BOOK = ToolSpec(
    "book_room",
    "Book a room for a day.",
    {"type": "object", "properties": {"date": {"type": "string", "format": "date"}}, "required": ["date"]},
)


def request(*messages: ChatMessage, beside: bool = False) -> ChatRequest:
    now = datetime(2026, 11, 21, 10, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    config = TenantConfig(tenant_id="rooms", system_prompt="You help.", knowledge_base={"address": "1 Mill Street, behind the station"})
    return ChatRequest("You help.", messages, (ROOM, BOOK) if beside else (ROOM,), now, config, beside=beside)


async def collect(model: ChatModel, asked: ChatRequest) -> tuple[str, AnswerDone]:
    items = [item async for item in model.stream(asked)]
    assert [type(item) for item in items[:-1]] == [TextDelta] * (len(items) - 1)
    done = items[-1]
    assert isinstance(done, AnswerDone)
    return "".join(item.text for item in items if isinstance(item, TextDelta)), done


@MODELS
async def test_a_tool_is_asked_for_and_its_outcome_is_spoken(opened: Callable[[], Opened]) -> None:
    async with opened() as model:
        said, done = await collect(model, request(CallerSaid(WANT)))
        (wanted,) = done.calls
        assert (wanted.name, dict(wanted.arguments)) == ("find_room", {"date": "2026-11-24"})
        messages = (CallerSaid(WANT), AgentSaid(said, done.calls, done.verbatim), ToolReturned(wanted, "Room four is free."))
        said, done = await collect(model, request(*messages))
        assert "Room four is free." in said
        assert done.calls == ()


@MODELS
async def test_leaving_the_stream_early_is_clean(opened: Callable[[], Opened]) -> None:
    async with opened() as model:
        stream = model.stream(request(CallerSaid(WANT)))
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]


@MODELS
async def test_the_name_is_for_the_record(opened: Callable[[], Opened]) -> None:
    async with opened() as model:
        assert model.name in ("scripted", "gemini:gemini-test")


@pytest.mark.parametrize("opened", [scripted, gemini_beside])
async def test_beside_a_voice_it_passes_small_talk_and_takes_up_a_task(opened: Callable[[], Opened]) -> None:
    async with opened() as model:
        talk: tuple[ChatMessage, ...] = (CallerSaid("Hello, how are you today?"),)
        said, done = await collect(model, request(*talk, beside=True))
        assert (said, done.calls, done.hang_up) == ("", (), False)
        talk = (*talk, AgentSaid("I'm fine, thank you! And you?"), CallerSaid(WANT))
        said, done = await collect(model, request(*talk, beside=True))
        assert said == ""
        (wanted,) = done.calls
        assert (wanted.name, dict(wanted.arguments)) == ("find_room", {"date": "2026-11-24"})
        talk = (*talk, AgentSaid(said, done.calls, done.verbatim), ToolReturned(wanted, "Room four is free."))
        said, done = await collect(model, request(*talk, beside=True))
        assert "Room four is free." in said


@pytest.mark.parametrize("opened", [scripted, gemini_correcting])
async def test_a_note_from_the_platform_is_always_answered_with_words(opened: Callable[[], Opened]) -> None:
    async with opened() as model:
        talk = (CallerSaid("Good morning."), AgentSaid("You're booked for three."), CallerSaid(correction_note("You're booked for three.")))
        said, done = await collect(model, request(*talk, beside=True))
        assert "nothing is booked yet" in said
        assert "day" in said.lower()
        assert done.calls == ()
