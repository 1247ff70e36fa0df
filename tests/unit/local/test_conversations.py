"""Text conversations over the real dialogue, the scripted model and the barber's own tools in their child process."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from local.conversations import TextConversations
from media_plane.models.scripted import ScriptedChat
from media_plane.tooling.processes import ToolProcesses, folder_sources
from media_plane.tooling.runner import ToolParts
from media_plane.wiring import tools_for
from nexus.adapters.embedded import EmbeddedStores, embedded_stores
from nexus.clock import Clock
from nexus.domain.session import ToolUse
from nexus.errors import NotFound
from nexus.settings.values import load_settings

ROOT = Path(__file__).resolve().parents[3]
BARBER, PIZZA = "barber_shop_demo", "pizza_shop_01"


@asynccontextmanager
async def talking(folder: Path) -> AsyncIterator[tuple[TextConversations, EmbeddedStores]]:
    """The barber of this copy works every day, so that tomorrow is never a closed one."""
    shutil.copytree(ROOT / "tenants", folder / "tenants")
    config = folder / "tenants" / BARBER / "config.yaml"
    config.write_text(config.read_text().replace("  opening_hours:\n", "  opening_hours:\n    monday: 09:00-18:00\n", 1))
    stores = embedded_stores(load_settings(None, data_dir=folder / "data", tenants_dir=folder / "tenants"))
    async with ToolProcesses(stores.tool_values) as processes:
        parts = ToolParts(processes, folder_sources(folder / "tenants"), stores.effects, Clock())
        yield TextConversations(ScriptedChat(), partial(tools_for, parts), stores.ids, Clock()), stores


async def test_a_booking_by_text_stands_in_the_calendar(tmp_path: Path) -> None:
    async with talking(tmp_path) as (talks, stores):
        opened = await talks.open(await stores.tenants.get(BARBER), "+12125550123")
        assert opened.greeting == "Hi, this is Joe's Barber Shop. How can I help you?"
        assert opened.tools == ("check_availability", "book_appointment", "cancel_appointment")
        used, said = list[ToolUse](), list[str]()
        for line in ("I'd like to book a haircut for tomorrow at 11 am", "My name is Dana", "+1 212 555 0123", "Yes", "Yes, that's right"):
            reply = await talks.say(BARBER, opened.conversation_id, line)
            used += reply.tools
            said.append(reply.text)
            if any(use.name == "book_appointment" for use in used):
                break
        (booking,) = [use for use in used if use.name == "book_appointment"]
        assert booking.status == "done", said
        assert booking.arguments["time"] == "11:00"
        assert "Dana" in str([stored.value for stored in await stores.tool_values.list(BARBER, "slot/")])
        assert await stores.tool_values.list(PIZZA, "") == ()


async def test_a_conversation_is_its_tenants_alone(tmp_path: Path) -> None:
    async with talking(tmp_path) as (talks, stores):
        opened = await talks.open(await stores.tenants.get(BARBER), "")
        with pytest.raises(NotFound, match="no such conversation"):
            await talks.say(PIZZA, opened.conversation_id, "Hello")
        await talks.close(PIZZA, opened.conversation_id)
        reply = await talks.say(BARBER, opened.conversation_id, "What is your address?")
        assert "12 Mill Street" in reply.text
        assert not reply.ended


async def test_closed_and_unknown_conversations_are_not_found(tmp_path: Path) -> None:
    async with talking(tmp_path) as (talks, stores):
        opened = await talks.open(await stores.tenants.get(BARBER), "")
        await talks.close(BARBER, opened.conversation_id)
        await talks.close(BARBER, opened.conversation_id)
        for unknown in (opened.conversation_id, "call_0", ""):
            with pytest.raises(NotFound) as refused:
                await talks.say(BARBER, unknown, "Hello")
            assert refused.value.code == "conversation_not_found"


async def test_the_longest_unused_of_more_than_two_hundred_is_forgotten(tmp_path: Path) -> None:
    async with talking(tmp_path) as (talks, stores):
        tenant = (await stores.tenants.get(PIZZA)).model_copy(update={"enabled_tools": ()})
        first, second = [(await talks.open(tenant, "")).conversation_id for _ in range(2)]
        for _ in range(198):
            await talks.open(tenant, "")
        await talks.say(PIZZA, first, "Hello")  # used: now the second is the oldest
        await talks.open(tenant, "")
        with pytest.raises(NotFound):
            await talks.say(PIZZA, second, "Hello")
        assert (await talks.say(PIZZA, first, "Hello")).text


async def test_two_messages_at_once_are_answered_one_after_the_other(tmp_path: Path) -> None:
    async with talking(tmp_path) as (talks, stores):
        opened = await talks.open(await stores.tenants.get(BARBER), "")
        where, price = await asyncio.gather(
            talks.say(BARBER, opened.conversation_id, "What is your address?"),
            talks.say(BARBER, opened.conversation_id, "How much is a beard trim?"),
        )
        assert "12 Mill Street" in where.text
        assert "18 dollars" in price.text


async def test_a_goodbye_ends_it(tmp_path: Path) -> None:
    async with talking(tmp_path) as (talks, stores):
        opened = await talks.open(await stores.tenants.get(BARBER), "")
        reply = await talks.say(BARBER, opened.conversation_id, "No, that's all, bye")
        assert reply.ended
        assert reply.text
