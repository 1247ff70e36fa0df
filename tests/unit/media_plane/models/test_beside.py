"""The scripted model beside a voice that talks by itself: it passes, works, takes answers whoever asked, and tells the truth."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.dialogue.notes import correction_note, typed_note
from media_plane.models.scripted import ScriptedChat
from media_plane.ports.chat import AgentSaid, CallerSaid, ToolReturned
from media_plane.ports.tools import ToolSpec
from nexus.domain.tenant import TenantConfig
from tests.fakes.chat_models import Conversation
from tests.unit.media_plane.models.test_scripted import BARBER, BOOKED, KNOWLEDGE, PIZZA, RESTAURANT, schema

CANCEL = ToolSpec("cancel_appointment", "Cancel an appointment.", schema(date={"type": "string", "format": "date"}))
MESSAGE = (
    ToolSpec("take_message", "Take a message from the caller.", schema(customer_name={"type": "string"}, message={"type": "string"})),
)
DONE = "You are booked: haircut for Dana on Sunday, November 22 at 10:30 AM."
BOOKING = ("Book me a haircut tomorrow at ten thirty", "Dana", "Yes.")
TALK = [
    "Hello!",
    "Hi, how are you doing today?",
    "What are your opening hours?",
    "How much is a haircut?",
    "Where are you?",
    "Thanks.",
    "Are you a real person?",
    "It's been raining all day over here.",
    "You have a lovely voice.",
    "What did you say?",
    "Hold on a second.",
    "Do you take cards?",
]


def talk(tools: tuple[ToolSpec, ...] = BARBER, *, phone: str = "+12125550123", **outcomes: list[tuple[str, bool]]) -> Conversation:
    config = TenantConfig(tenant_id="demo_shop", system_prompt="x", knowledge_base=KNOWLEDGE)
    return Conversation(ScriptedChat(), tools, config, outcomes, phone, beside=True)


async def play(conversation: Conversation, *lines: str) -> Conversation:
    """Lines of the caller; those that begin with ``~`` are the voice's."""
    for line in lines:
        if line.startswith("~"):
            conversation.voice(line[1:])
        else:
            await conversation.say(line)
    return conversation


@pytest.mark.parametrize("tools", [BARBER, PIZZA, RESTAURANT, MESSAGE, ()])
@pytest.mark.parametrize("line", TALK)
async def test_small_talk_and_knowledge_are_the_voice_own(tools: tuple[ToolSpec, ...], line: str) -> None:
    conversation = talk(tools)
    assert await conversation.say(line) == ""
    assert not conversation.hung_up
    assert conversation.calls == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(TALK), max_size=8))
async def test_however_long_the_small_talk_it_is_passed_and_the_task_still_begins(lines: list[str]) -> None:
    conversation = talk()
    for line in lines:
        assert await conversation.say(line) == ""
        conversation.voice("Mm, I see.")
    assert await conversation.say("I'd like to book a haircut.") != ""


async def test_a_task_is_the_agent_own_until_it_is_done() -> None:
    conversation = talk(book_appointment=[(DONE, False)])
    assert await conversation.say("I'd like to book a haircut for tomorrow at ten thirty.") == "May I have your name, please?"
    assert "1" not in await conversation.say("How much is that?")  # its own answer, and the question again
    assert conversation.said[-1].endswith("May I have your name, please?")
    assert "Shall I book it?" in await conversation.say("Dana")
    assert (await conversation.say("Yes, please.")).startswith(DONE)
    assert conversation.calls == [("book_appointment", BOOKED)]
    assert await conversation.say("Thank you so much!") == ""
    assert await conversation.say("What are your hours on Saturday?") == ""


async def test_a_task_given_up_is_closed_by_the_agent_and_then_it_passes() -> None:
    conversation = talk()
    await conversation.say("I'd like to book a haircut.")
    assert "I'll leave that" in await conversation.say("Never mind, forget it.")
    assert await conversation.say("How is the weather over there?") == ""


async def test_a_look_up_is_a_task() -> None:
    conversation = talk(check_availability=[("Yes, Sunday at 10:30 AM is free.", False)])
    assert "is free" in await conversation.say("Is there anything free tomorrow at ten thirty?")
    assert conversation.calls[0][0] == "check_availability"


async def test_what_no_tool_can_do_is_said_by_the_agent() -> None:
    """Left to itself the voice would promise it."""
    assert "can't cancel" in await talk().say("Can you cancel my appointment?")


async def test_what_is_booked_is_told_by_the_agent_who_knows_it() -> None:
    conversation = await play(talk(book_appointment=[(DONE, False)]), *BOOKING, "~Have a nice day!")
    assert await conversation.say("What time is it booked for again?") == DONE


@pytest.mark.parametrize(
    "lines",
    [
        (
            "Hello!",
            "~Hi! Who is this?",
            "Dana",
            "~Hi Dana! Would you like to book an appointment?",
            "Yes please.",
            "a haircut",
            "tomorrow",
            "ten thirty",
        ),
        ("~What's your name, please?", "Dana", "~Nice to meet you.", "I need a haircut tomorrow at half past ten"),
        ("~Sure! What day would you like?", "Tomorrow.", "A haircut, yes please.", "~And what time?", "At ten thirty.", "Dana"),
        (
            "I'd like a haircut",
            "~What day would you like?",
            "Tomorrow.",
            "~And what time would suit you?",
            "Ten thirty.",
            "Dana",
        ),
        ("I'd like a haircut", "Tomorrow", "~What time is good for you?", "half past ten", "~And your name?", "Dana"),
    ],
)
async def test_the_caller_answers_count_whoever_asked(lines: tuple[str, ...]) -> None:
    conversation = await play(talk(book_appointment=[(DONE, False)], check_availability=[("Yes, it is free.", False)]), *lines)
    assert "Shall I book it?" in conversation.said[-1]
    await conversation.say("Yes.")
    assert conversation.calls[-1] == ("book_appointment", BOOKED)


async def test_a_party_named_to_the_voice_is_not_asked_for_again() -> None:
    conversation = await play(
        talk(RESTAURANT), "Hi", "~How many people will you be?", "Four of us.", "~Lovely.", "Book a table for Friday at seven", "Dana"
    )
    assert "for 4 people" in conversation.said[-1]


async def test_a_no_to_the_voice_ends_no_call() -> None:
    conversation = await play(talk(book_appointment=[(DONE, False)]), *BOOKING, "Thanks!")
    await play(conversation, "~You're welcome! Any plans for the weekend?", "No.")
    assert not conversation.hung_up
    await play(conversation, "~Nice. Is there anything else I can do?", "No.")
    assert conversation.hung_up


@pytest.mark.parametrize("line", ["Goodbye!", "Okay, bye bye."])
async def test_a_goodbye_ends_the_call(line: str) -> None:
    conversation = await play(talk(), "Hello!", "~Hello! How are you?", line)
    assert conversation.hung_up
    assert "Goodbye" in conversation.said[-1]


async def test_the_voice_words_do_not_lose_a_call_that_is_under_way() -> None:
    """Told late, they stand between the caller's yes and the call it brought."""
    conversation = await play(talk(book_appointment=[(DONE, False)]), *BOOKING)
    place = next(i for i, message in enumerate(conversation.messages) if isinstance(message, AgentSaid) and message.calls)
    conversation.messages.insert(place, AgentSaid("Mm-hmm, sure."))
    assert await conversation.say("What time is it booked for?") == DONE
    assert len(conversation.calls) == 1


@pytest.mark.parametrize(
    ("tools", "claim", "truth", "asked"),
    [
        (BARBER, "You're booked for three.", "nothing is booked yet", "Which service"),
        (BARBER, "You're all set, see you tomorrow.", "nothing is booked yet", "Which service"),
        ((*BARBER, CANCEL), "I've cancelled that for you.", "nothing has been cancelled yet", "What day"),
        (PIZZA, "Your order has been placed.", "nothing has been ordered yet", "What"),
        (RESTAURANT, "I've reserved a table for you.", "nothing is booked yet", "What day"),
        (MESSAGE, "I've passed your message on.", "not written anything down yet", "name"),
        ((), "I've sent you a text.", "nothing has been sent yet", "I can"),
        (BARBER, "That's taken care of.", "has not been done yet", "Which service"),
    ],
)
async def test_after_a_false_word_it_tells_the_truth_and_asks_for_what_is_missing(
    tools: tuple[ToolSpec, ...], claim: str, truth: str, asked: str
) -> None:
    conversation = await play(talk(tools), "Good morning.", f"~{claim}", "~Let me correct that: that is not done yet.")
    answer = await conversation.say(correction_note(claim))
    assert truth in answer
    assert asked in answer
    assert conversation.calls == []


async def test_a_correction_within_a_task_goes_on_with_it() -> None:
    conversation = await play(talk(), "I'd like to book a haircut for tomorrow at ten thirty.", "~You're booked, Dana!")
    answer = await conversation.say(correction_note("You're booked, Dana!"))
    assert answer == "I'm sorry, nothing is booked yet. May I have your name, please?"
    assert "Shall I book it?" in await conversation.say("Dana")


async def test_words_of_the_caller_with_a_correction_count_too() -> None:
    conversation = await play(talk(), "I'd like to book a haircut for tomorrow at ten thirty.", "~You're booked!")
    answer = await conversation.say(correction_note("You're booked!") + " It's Dana.")
    assert answer.startswith("I'm sorry, nothing is booked yet.")
    assert answer.endswith("Shall I book it?")


async def test_a_false_detail_of_something_done_is_put_right() -> None:
    conversation = await play(talk(book_appointment=[(DONE, False)]), *BOOKING, "~You're booked for four.")
    assert DONE in await conversation.say(correction_note("You're booked for four."))
    assert len(conversation.calls) == 1


async def test_typed_words_are_answered_even_when_they_are_small_talk() -> None:
    assert "How can I help" in await talk().say(typed_note("hello"))


async def test_alone_nothing_changes() -> None:
    """The same words without a voice beside are answered."""
    for line in TALK:
        conversation = talk()
        conversation.beside = False
        assert await conversation.say(line) != ""


async def test_the_same_messages_always_give_the_same_answer() -> None:
    conversation = await play(talk(), "Hi", "~Hello! What's your name?", "Dana", "Book a haircut for tomorrow at ten thirty")
    request_messages = list(conversation.messages)
    again = talk()
    again.messages = [message for message in request_messages[:-1] if isinstance(message, CallerSaid | AgentSaid | ToolReturned)][:-1]
    assert await again.say("Book a haircut for tomorrow at ten thirty") == conversation.said[-1]
