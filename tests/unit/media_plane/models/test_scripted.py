"""Whole conversations with the scripted model: demo-like tenants and tenants that it has never seen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.models.scripted import ScriptedChat
from media_plane.ports.chat import AgentSaid, CallerSaid
from media_plane.ports.tools import ToolSpec
from nexus.domain.tenant import TenantConfig
from tests.fakes.chat_models import Conversation

SERVICES = ["haircut", "beard_trim", "haircut_and_beard"]
DATE = {"type": "string", "format": "date"}
TIME = {"type": "string", "format": "time"}


def schema(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties) if required is None else required}


BARBER = (
    ToolSpec("check_availability", "Check which appointment times are free on a day.", schema(["date"], date=DATE, time=TIME), "read"),
    ToolSpec(
        "book_appointment",
        "Book an appointment at the barber shop.",
        schema(
            service={"type": "string", "enum": SERVICES}, date=DATE, time=TIME, customer_name={"type": "string"}, phone={"type": "string"}
        ),
    ),
)
PIZZA = (
    ToolSpec(
        "place_order",
        "Place a pizza order for delivery or pickup.",
        schema(
            items={
                "type": "array",
                "items": schema(
                    ["pizza"],
                    pizza={"type": "string", "enum": ["margherita", "pepperoni", "quattro_stagioni"]},
                    size={"type": "string", "enum": ["small", "medium", "large"]},
                    quantity={"type": "integer", "minimum": 1},
                ),
            },
            delivery_address={"type": "string"},
            customer_name={"type": "string"},
            phone={"type": "string"},
        ),
    ),
)
RESTAURANT = (
    ToolSpec("check_table", "Check whether a table is free.", schema(date=DATE, time=TIME, party_size={"type": "integer"}), "read"),
    ToolSpec(
        "reserve_table",
        "Reserve a table.",
        schema(date=DATE, time=TIME, party_size={"type": "integer", "minimum": 1, "maximum": 12}, customer_name={"type": "string"}),
    ),
)
KNOWLEDGE: dict[str, Any] = {
    "address": "12 Main Street, next to the post office",
    "hours": {"monday to friday": "9:00 - 18:00", "saturday": "9:00 - 14:00", "sunday": "closed"},
    "services": [{"name": "Haircut", "price": "$25"}, {"name": "Beard trim", "price": "$15"}],
    "policies": {"cancellation": "Please cancel at least two hours before your appointment.", "payment": "We take cash and all cards."},
}


def talk(
    tools: tuple[ToolSpec, ...] = BARBER, *, knowledge: Any = KNOWLEDGE, phone: str = "", **outcomes: list[tuple[str, bool]]
) -> Conversation:
    config = TenantConfig(tenant_id="demo_shop", system_prompt="x", knowledge_base=knowledge)
    return Conversation(ScriptedChat(), tools, config, outcomes, phone)


async def said_all(conversation: Conversation, *lines: str) -> Conversation:
    for line in lines:
        await conversation.say(line)
    return conversation


BOOKED = {"service": "haircut", "date": "2026-11-22", "time": "10:30", "customer_name": "Dana", "phone": "+12125550123"}


@pytest.mark.parametrize(
    "lines",
    [
        (
            "Hi, I'd like to book a haircut for tomorrow at ten thirty.",
            "It's Dana.",
            "two one two, five five five, zero one two three",
            "Yes, please.",
        ),
        ("Can I get a hair cut?", "Tomorrow.", "10.30.", "My name is Dana.", "212-555-0123", "yeah"),
        (
            "My name is Dana and I need an appointment.",
            "A haircut, please.",
            "tomorrow at half past ten",
            "It's 212 555 0123.",
            "That's right.",
        ),
        ("um, book me in for a haircut tomorrow morning at 10:30, Dana's the name", "Dana", "(212) 555-0123", "sure, go ahead"),
        ("Do you have anything free tomorrow?", "Yes, a haircut.", "at ten thirty", "Dana", "double oh", "212 555 0123", "Correct."),
        ("I want a haircut tomorrow at eleven", "Dana", "212 555 0123", "No, make it ten thirty.", "Yes."),
        ("I want a haircut tomorrow at eleven", "Dana", "212 555 0123", "No.", "The time.", "Ten thirty", "Yes."),
        ("I want a haircut tomorrow at 10:30", "How much is it, the haircut?", "Dana", "212 555 0123", "Yes."),
    ],
)
async def test_the_barber_books_whatever_the_wording(lines: tuple[str, ...]) -> None:
    conversation = await said_all(talk(), *lines)
    assert conversation.calls[-1] == ("book_appointment", BOOKED)
    assert [name for name, _ in conversation.calls].count("book_appointment") == 1


async def test_nothing_is_booked_without_a_yes() -> None:
    conversation = talk(phone="+12125550123")
    answer = await conversation.say("A haircut tomorrow at half past ten for Dana, please, I'd like to book that.")
    assert (
        answer == "So that's a haircut, tomorrow, Sunday, November 22nd, at 10:30 AM, for Dana, phone number 212 555 0123. Shall I book it?"
    )
    assert conversation.calls == []
    assert "leave that" in await conversation.say("Never mind.")
    assert "Goodbye" in await conversation.say("No, thanks.")
    assert conversation.calls == []
    assert conversation.hung_up


async def test_a_taken_time_is_spoken_and_another_is_asked_for() -> None:
    conversation = talk(
        phone="+12125550123", book_appointment=[("10:30 is already taken.", True), ('{"ok": true, "message": "Booked for 11."}', False)]
    )
    await said_all(conversation, "Book a haircut tomorrow at 10:30, my name is Dana", "Yes.")
    assert conversation.said[-1] == "10:30 is already taken. Would another time suit you?"
    await said_all(conversation, "Eleven.", "Yes.")
    assert conversation.calls[-1][1] == {**BOOKED, "time": "11:00"}
    assert conversation.said[-1].startswith("Booked for 11.")


async def test_a_look_up_leads_to_the_booking_and_carries_what_was_said() -> None:
    conversation = talk(phone="+12125550123", check_availability=[("Free: 10:00 and 10:30.", False)])
    answer = await conversation.say("Is there a free slot tomorrow?")
    assert answer == "Free: 10:00 and 10:30. Shall I book an appointment?"
    assert conversation.calls == [("check_availability", {"date": "2026-11-22"})]
    await said_all(conversation, "I'll take the ten thirty.", "A haircut.", "Dana.", "Yes.")
    assert conversation.calls[-1] == ("book_appointment", BOOKED)


async def test_pizza_items_with_sizes_and_counts() -> None:
    conversation = talk(PIZZA, knowledge=None)
    await said_all(
        conversation, "I'd like to order two large pepperoni and a small margherita.", "24 Oak Street.", "Rosa", "212 555 0199", "Yes."
    )
    name, arguments = conversation.calls[-1]
    assert name == "place_order"
    assert arguments["items"] == [
        {"pizza": "pepperoni", "size": "large", "quantity": 2},
        {"pizza": "margherita", "size": "small", "quantity": 1},
    ]
    assert arguments["delivery_address"] == "24 Oak Street"


async def test_a_count_a_size_and_a_thing_are_one_phrase() -> None:
    order = ToolSpec(
        "place_order",
        "Order a pizza.",
        schema(
            ["pizza", "size", "customer_name"],
            pizza={"type": "string", "enum": ["margherita", "pepperoni"]},
            size={"type": "string", "enum": ["small", "large"]},
            quantity={"type": "integer"},
            customer_name={"type": "string"},
        ),
    )
    conversation = await said_all(
        talk((order,), knowledge=None), "I'd like to order two large pepperoni pizzas.", "Delivery please.", "Rosa."
    )
    assert conversation.said[1].startswith("Sorry, I didn't get that.")
    assert conversation.said[2] == "So that's 2 large pepperoni, for Rosa. Shall I place the order?"


async def test_a_table_for_four_in_the_evening() -> None:
    conversation = await said_all(
        talk(RESTAURANT), "I'd like a table for four on Friday at seven, under the name Alex Stone.", "Yes, that's right."
    )
    assert conversation.calls == [
        ("reserve_table", {"date": "2026-11-27", "time": "19:00", "party_size": 4, "customer_name": "Alex Stone"})
    ]


async def test_too_large_a_party_is_asked_for_again() -> None:
    conversation = talk(RESTAURANT)
    await said_all(conversation, "Reserve a table for forty people tomorrow at 8 pm for Ann.")
    assert conversation.said[-1] == "The most I can take is 12. For how many people?"
    await said_all(conversation, "four", "yes")
    assert conversation.calls[-1][1]["party_size"] == 4


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("How much is a beard trim?", "$15"),
        ("When are you open on Saturday?", "9:00 - 14:00"),
        ("Where are you?", "12 Main Street"),
        ("Do you take credit cards?", "cash and all cards"),
        ("What's your cancellation policy?", "two hours before"),
        ("what do you charge for a haircut", "$25"),
    ],
)
async def test_questions_are_answered_from_the_knowledge(question: str, part: str) -> None:
    conversation = talk()
    assert part in await conversation.say(question)
    assert conversation.calls == []


@pytest.mark.parametrize("question", ["How much is a massage?", "Do you sell cars?", "Who won the game last night?"])
async def test_what_is_not_known_is_not_invented(question: str) -> None:
    conversation = talk()
    answer = await conversation.say(question)
    assert answer.startswith("I'm afraid I don't have that information. I can check availability or book an appointment")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Hello!", "How can I help"),
        ("Are you a robot?", "automated assistant"),
        ("Can I speak to a human?", "can't put you through"),
        ("Hola, quiero una cita por favor", "only speak English"),
        ("שלום, אני רוצה תור", "only speak English"),
        ("", "didn't hear"),
        ("What can you do?", "book an appointment"),
    ],
)
async def test_asides(text: str, part: str) -> None:
    assert part in await talk().say(text)


async def test_anything_free_on_a_day_is_looked_up_although_the_hours_name_that_day() -> None:
    conversation = talk()
    await conversation.say("Do you have anything on Sunday?")
    assert conversation.calls == [("check_availability", {"date": "2026-11-22"})]


async def test_a_price_asked_in_between_does_not_lose_the_offer() -> None:
    conversation = await said_all(talk(phone="+12125550123"), "Do you have anything tomorrow?", "How much is a haircut?")
    assert "$25" in conversation.said[-1]
    await said_all(conversation, "Okay, a haircut at ten thirty then.", "Dana", "Yes")
    assert conversation.calls[-1] == ("book_appointment", BOOKED)


async def test_no_to_a_question_for_a_detail_drops_the_task() -> None:
    conversation = await said_all(talk(), "I'd like to book a haircut", "No, thanks.")
    assert "leave that" in conversation.said[-1]


async def test_one_sentence_of_a_list_answers_alone() -> None:
    knowledge = {"policies": ["Please arrive early.", "Cancelling is free up to two hours before.", "We take cash and all cards."]}
    assert await talk(knowledge=knowledge).say("Can I pay by card?") == "We take cash and all cards."


async def test_say_that_again_repeats_the_last_words() -> None:
    conversation = talk()
    first = await conversation.say("I'd like to book a haircut")
    assert await conversation.say("Sorry, can you repeat that?") == first


async def test_goodbye_hangs_up_only_when_nothing_is_open() -> None:
    conversation = await said_all(talk(phone="+12125550123"), "Book a haircut tomorrow at ten, my name is Dana", "Bye.")
    assert not conversation.hung_up
    assert "Before you go" in conversation.said[-1]
    await conversation.say("Leave it.")
    assert conversation.hung_up
    assert conversation.calls == []


async def test_thanks_at_the_end_and_then_no() -> None:
    conversation = await said_all(talk(), "Where are you?", "Thank you.")
    assert not conversation.hung_up
    await conversation.say("No, that's all.")
    assert conversation.hung_up


async def test_the_same_request_gives_the_same_answer() -> None:
    one, two = talk(), talk()
    for line in ("Book a haircut", "tomorrow", "half past ten"):
        assert await one.say(line) == await two.say(line)


async def test_a_readback_cut_short_can_still_be_agreed_to() -> None:
    conversation = await said_all(talk(phone="+12125550123"), "Book a haircut tomorrow at 10:30, my name is Dana")
    conversation.messages[-1] = AgentSaid("So that's a haircut, tomorrow,")
    await conversation.say("Yes!")
    assert conversation.calls == [("book_appointment", BOOKED)]


async def test_a_readback_that_was_never_heard_is_not_agreed_to() -> None:
    conversation = talk(phone="+12125550123")
    conversation.messages.append(CallerSaid("Book a haircut tomorrow at 10:30, my name is Dana"))
    await conversation.say("yes hello?")
    assert conversation.calls == []
    await conversation.say("Yes.")
    assert conversation.calls == [("book_appointment", BOOKED)]


async def test_a_booking_made_by_another_model_is_not_made_again() -> None:
    conversation = await said_all(talk(phone="+12125550123"), "Book a haircut tomorrow at 10:30, my name is Dana")
    conversation.messages += [CallerSaid("yes"), AgentSaid("You are booked.")]  # a history without its tools
    await conversation.say("Great, yes.")
    assert conversation.calls == []


# --- tenants it has never seen -----------------------------------------------------------------------------------------------

VET = ToolSpec(
    "register_pet",
    "Register a new pet with the clinic.",
    schema(
        species={"type": "string", "enum": ["dog", "cat", "rabbit"]},
        pet_name={"type": "string", "description": "name of the animal"},
        age_years={"type": "integer", "minimum": 0, "maximum": 30},
        owner_name={"type": "string"},
        email={"type": "string", "format": "email"},
    ),
)
CAR_WASH = ToolSpec(
    "wash_car",
    "Book a car wash.",
    schema(
        ["package", "plate", "when", "wax"],
        package={"type": "string", "enum": ["basic", "premium", "deluxe"]},
        plate={"type": "string", "description": "licence plate", "x-nexus": {"ask": "What's on your licence plate?", "kind": "code"}},
        when={"type": "string", "format": "date-time"},
        wax={"type": "boolean"},
        note={"type": "string"},
    ),
)
LIBRARY = ToolSpec("renew_loan", "Renew the loan of a book.", schema(card_number={"type": "string"}, book_title={"type": "string"}))


async def test_a_vet_registers_a_pet() -> None:
    lines = ("I want to register my dog.", "Rex", "He's three years old.", "Kim Park", "kim at example dot com", "Yes please")
    conversation = await said_all(talk((VET,), knowledge=None), *lines)
    expected = {"species": "dog", "pet_name": "Rex", "age_years": 3, "owner_name": "Kim Park", "email": "kim@example.com"}
    assert conversation.calls == [("register_pet", expected)]


async def test_a_car_wash() -> None:
    lines = ("I'd like a premium car wash on Monday at 3 pm.", "four five six seven", "No.", "Yes.")
    conversation = talk((CAR_WASH,), knowledge=None)
    await conversation.say(lines[0])
    assert conversation.said[-1] == "What's on your licence plate?"
    await said_all(conversation, *lines[1:])
    assert conversation.calls == [("wash_car", {"package": "premium", "plate": "4567", "when": "2026-11-23T15:00:00", "wax": False})]


async def test_a_library_renews_a_loan() -> None:
    lines = ("Can you renew a book for me?", "My card number is one two three four five.", "The Old Man and the Sea", "Yes.")
    conversation = await said_all(talk((LIBRARY,), knowledge=None), *lines)
    assert conversation.calls == [("renew_loan", {"card_number": "12345", "book_title": "The Old Man and the Sea"})]


ANSWERS: dict[str, tuple[dict[str, Any], str, Any]] = {
    "visit_date": (DATE, "November 24th", "2026-11-24"),
    "arrival_time": (TIME, "half past two", "14:30"),
    "guests": ({"type": "integer"}, "five", 5),
    "customer_name": ({"type": "string"}, "Dana Smith", "Dana Smith"),
    "phone": ({"type": "string"}, "212 555 0123", "+12125550123"),
    "email": ({"type": "string", "format": "email"}, "dana@example.com", "dana@example.com"),
    "colour": ({"type": "string", "enum": ["crimson", "turquoise", "ivory"]}, "turquoise", "turquoise"),
    "gift_wrap": ({"type": "boolean"}, "yes", True),
    "reason": ({"type": "string"}, "broken zipper", "broken zipper"),
}


@settings(max_examples=40, deadline=None)
@given(
    names=st.permutations(sorted(ANSWERS)),
    count=st.integers(1, len(ANSWERS)),
    noun=st.sampled_from(["kayak", "locker", "telescope", "trombone"]),
)
async def test_any_tool_is_filled_by_answering_its_questions(names: list[str], count: int, noun: str) -> None:
    chosen = names[:count]
    tool = ToolSpec(f"rent_{noun}", f"Rent a {noun}.", schema(list(chosen), **{name: ANSWERS[name][0] for name in chosen}))
    conversation = talk((tool,), knowledge=None)
    await conversation.say(f"I'd like to rent a {noun}.")
    for name in chosen:
        assert conversation.calls == []
        await conversation.say(ANSWERS[name][1])
    await conversation.say("Yes, please.")
    assert conversation.calls == [(tool.name, {name: ANSWERS[name][2] for name in chosen})]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.text(max_size=40) | st.sampled_from(["yes", "no", "book a haircut", "tomorrow", "at 99:99", "11/40", "31st", "+" * 9, "1" * 30]),
        max_size=6,
    )
)
async def test_nothing_a_caller_says_breaks_it(lines: list[str]) -> None:
    conversation = talk()
    for line in lines:
        assert (await conversation.say(line)).strip()
