"""A yes, a no and words on the recording, where the agent had asked nothing: an invitation, never a lack of understanding."""

from __future__ import annotations

import pytest

from media_plane.models.scripted import ScriptedChat
from media_plane.ports.chat import AgentSaid
from nexus.domain.tenant import TenantConfig
from tests.fakes.chat_models import Conversation
from tests.unit.media_plane.models.test_scripted import BARBER, said_all, talk

CONSENT = "May we record this call?"
STOPPED = "All right, this call is not recorded."
BARE = (
    "no",
    "No.",
    "No thanks.",
    "No, thank you.",
    "Nope.",
    "I'd rather not.",
    "Yes.",
    "yes please",
    "Okay",
    "Sure, go ahead.",
    "That's fine.",
)
REFUSED = (
    "please don't record this call",
    "I do not want this call recorded",
    "No, I don't want to be recorded.",
    "I would not like to be recorded, thanks",
    "Could you please not record this call?",
    "No recording, please.",
)
GRANTED = ("that's fine, record it", "Yes, you may record this call.", "I don't mind being recorded.")


def greeted(greeting: str) -> Conversation:
    return Conversation(ScriptedChat(), BARBER, TenantConfig(tenant_id="shop", system_prompt="x", greeting=greeting))


@pytest.mark.parametrize("words", (*BARE, *REFUSED, *GRANTED))
async def test_who_only_answers_is_invited(words: str) -> None:
    assert await greeted("Hello!").say(words) == "All right. What can I do for you?"


@pytest.mark.parametrize("words", (*BARE, *REFUSED, *GRANTED))
async def test_the_platform_has_agreed_already(words: str) -> None:
    conversation = greeted("Hello!")
    conversation.messages.append(AgentSaid(STOPPED))
    assert await conversation.say(words) == "What can I do for you?"


@pytest.mark.parametrize(
    ("greeting", "invitation"),
    [
        ("Good day, Maria's Trattoria. How may I help you?", "How may I help you?"),
        ("Hello, this is Sam, how can I help?", "What can I do for you?"),
        (f"Hello! {CONSENT}", "What can I do for you?"),
        ("Hi! Do you want a table?", "What can I do for you?"),
        ("", "What can I do for you?"),
    ],
)
async def test_the_invitation_is_the_tenants_own(greeting: str, invitation: str) -> None:
    assert await greeted(greeting).say("no") == f"All right. {invitation}"


async def test_who_answers_again_hears_other_words() -> None:
    conversation = await said_all(greeted("Hello!"), "no", "yes")
    assert conversation.said[1] == "I can check availability or book an appointment, or answer questions about us. What would you like?"


@pytest.mark.parametrize("words", ["Is this call recorded?", "Can you record this call?", "blue", "No, I said recorder."])
async def test_who_asks_or_says_something_else_is_not_invited(words: str) -> None:
    assert "What can I do for you?" not in await greeted("Hello!").say(words)


async def test_who_refuses_and_wants_something_gets_it() -> None:
    assert "time" in await talk().say("Please don't record this call, I want a haircut tomorrow.")


async def test_a_refused_recording_answers_no_question_of_ours() -> None:
    conversation = talk(phone="+12125550123")
    asked = await conversation.say("I want a haircut tomorrow at ten thirty.")
    assert await conversation.say("Please don't record this call.") == asked
    read_back = await conversation.say("Dana")
    assert "Shall I book it?" in read_back
    assert await conversation.say("Please don't record this call.") == read_back
    assert not conversation.calls
    booked = await conversation.say("Yes.")
    assert booked.endswith("Is there anything else I can do for you?")
    assert await conversation.say("Don't record this call.") == "Is there anything else I can do for you?"
    assert not conversation.hung_up
    await conversation.say("No.")
    assert conversation.hung_up
