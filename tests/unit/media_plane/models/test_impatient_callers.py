"""Conversations of impatient callers with the scripted model over the demo tenants' own tools: each line once went wrong."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from media_plane.models.scripted import ScriptedChat
from media_plane.ports.tools import ToolSpec
from nexus.domain.config_file import parse_config
from tests.fakes.chat_models import Conversation

TENANTS = Path(__file__).parents[4] / "tenants"


def tenant(name: str, **outcomes: list[tuple[str, bool]]) -> Conversation:
    """A caller of this demo tenant, whose tools answer as written."""
    config = parse_config((TENANTS / name / "config.yaml").read_text(encoding="utf-8"), folder=name)
    return Conversation(ScriptedChat(), _tools(name, config.enabled_tools), config, outcomes)


def _tools(name: str, enabled: Any) -> tuple[ToolSpec, ...]:
    spec = importlib.util.spec_from_file_location(f"tools_of_{name}", TENANTS / name / "tools.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    classes: dict[str, Any] = {
        getattr(one, "name", ""): one
        for one in vars(module).values()
        if isinstance(one, type) and isinstance(getattr(one, "parameters", None), dict)
    }
    return tuple(ToolSpec(one, classes[one].description, classes[one].parameters, classes[one].effect) for one in enabled)


async def said_all(conversation: Conversation, *lines: str) -> str:
    answer = ""
    for line in lines:
        answer = await conversation.say(line)
    return answer


@pytest.mark.parametrize("line", ["no wait", "hold on", "4pm", "large", "and the veggie?", "Please call me about the invoice"])
async def test_words_that_are_no_name_are_never_booked_as_one(line: str) -> None:
    conversation = tenant("pizza_shop_01", place_order=[("Order 1001: done.", False)])
    await said_all(conversation, "a large veggie for pickup please, I want to order", line, "Ed", "917 555 1111", "yes")
    assert conversation.calls[-1][1]["customer_name"] == "Ed"


async def test_two_kinds_of_pizza_are_two_orders_for_one_caller() -> None:
    conversation = tenant("pizza_shop_01", place_order=[("Order 1001.", False), ("Order 1002.", False)])
    first = await said_all(
        conversation, "two large pepperoni and a small margherita for delivery to 12 Oak Street", "Sam", "212 555 0101", "yes"
    )
    assert "Order 1001." in first and "small margherita" in first
    await conversation.say("yes")
    orders = [(call["pizza"], call["size"], call["address"], call["customer_name"]) for _, call in conversation.calls]
    assert orders == [("pepperoni", "large", "12 Oak Street", "Sam"), ("margherita", "small", "12 Oak Street", "Sam")]


async def test_a_price_question_sells_nothing() -> None:
    conversation = tenant("pizza_shop_01", get_menu=[("The pepperoni costs: large 17 dollars.", False)])
    assert await conversation.say("how much is a large pepperoni?") == "The pepperoni costs: large 17 dollars."
    assert conversation.calls == [("get_menu", {"pizza": "pepperoni"})]


async def test_a_house_number_is_no_quantity_and_pickup_is_an_answer() -> None:
    conversation = tenant("pizza_shop_01")
    assert "address" in await said_all(conversation, "I'd like a pizza", "pepperoni", "big one", "one", "Al", "212 555 0104")
    assert "delivered to 5 Main Street" in await conversation.say("5 Main Street")
    assert "1 large pepperoni" in conversation.said[-1]
    other = tenant("pizza_shop_01")
    assert "for pickup" in await said_all(other, "order a small veggie, I'll pick it up", "Jo", "212 555 0105")


@pytest.mark.parametrize(("line", "part"), [("I want to cancel my order", "can't cancel"), ("can I change my order?", "can't change")])
async def test_what_no_tool_can_undo_is_refused_honestly(line: str, part: str) -> None:
    conversation = tenant("pizza_shop_01")
    assert part in await conversation.say(line)
    assert conversation.calls == []


async def test_an_order_is_found_by_its_number_at_once() -> None:
    conversation = tenant("pizza_shop_01", order_status=[("It should be ready by now.", False)])
    await conversation.say("what's the status of order 1001?")
    assert conversation.calls == [("order_status", {"order_number": 1001})]


async def test_yesterday_is_told_at_once() -> None:
    conversation = tenant("barber_shop_demo")
    assert (await conversation.say("book a haircut for yesterday at 3pm")).startswith("That day has already passed.")


async def test_a_day_and_time_alone_ask_the_calendar_and_the_refused_time_is_forgotten() -> None:
    answer = "Our appointments begin on the hour or at half past. Free times on Wednesday are 9:00 AM, 9:30 AM."
    conversation = tenant("barber_shop_demo", check_availability=[(answer, False)], book_appointment=[("Booked.", False)])
    asked = await conversation.say("can I come in on Wednesday at 9:15?")
    assert asked == f"{answer} Which time would you like instead?"
    await said_all(conversation, "ok 9", "Joe", "646 555 0199", "a haircut", "yes")
    assert conversation.calls[-1] == (
        "book_appointment",
        {"date": "2026-11-25", "time": "09:00", "customer_name": "Joe", "phone": "+16465550199", "service": "haircut"},
    )


async def test_a_closed_day_asks_for_another_day() -> None:
    conversation = tenant("barber_shop_demo", check_availability=[("We are closed on Mondays.", False)])
    assert await conversation.say("can I come in on Monday at 10?") == "We are closed on Mondays. Which day would you like instead?"


async def test_eleven_then_corrects_the_time_while_the_name_is_asked() -> None:
    conversation = tenant("barber_shop_demo", book_appointment=[("Booked.", False)])
    await said_all(conversation, "book a haircut tomorrow at 10:30", "eleven then", "Bob", "646 555 7788", "yes")
    assert conversation.calls[-1][1]["time"] == "11:00"


async def test_book_me_in_asks_what_is_to_be_done() -> None:
    conversation = tenant("barber_shop_demo")
    assert "What would you like done" in await said_all(conversation, "book me in", "tomorrow", "10:30", "Bob", "646 555 7788")
    assert "a beard trim" in await conversation.say("a beard trim")


async def test_what_was_booked_is_told_again() -> None:
    conversation = tenant("barber_shop_demo", book_appointment=[("You are booked for Saturday at 3 PM.", False)])
    await said_all(conversation, "book a haircut on Saturday at 3pm for me, my name is Carlos, 917 555 4411", "yes")
    assert await conversation.say("what time is it booked for?") == "You are booked for Saturday at 3 PM."


async def test_how_long_is_answered_for_the_service_in_hand() -> None:
    conversation = tenant("barber_shop_demo")
    assert "half an hour" in await said_all(conversation, "book a haircut for Tuesday", "how long does it take?")


async def test_nonsense_is_not_answered_thrice_alike() -> None:
    conversation = tenant("barber_shop_demo")
    await said_all(conversation, "asdf qwer", "blah blah", "zxcv")
    assert len(set(conversation.said)) == 3


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("Are you open on Saturday?", "On Saturday we're open 9 AM to 4 PM."),
        ("Are you open on Monday?", "On Monday we're closed."),
        ("where are you?", "We're at 12 Mill Street, Brooklyn."),
    ],
)
async def test_hours_and_the_address_are_sentences(line: str, answer: str) -> None:
    assert await tenant("barber_shop_demo").say(line) == answer


async def test_the_restaurant_takes_eight_at_most_and_says_so() -> None:
    conversation = tenant("restaurant_demo")
    assert "The most I can take is 8." in await conversation.say("Is there a table for fifty tomorrow at 8?")


async def test_three_people_is_no_time_and_eight_is_the_evening() -> None:
    conversation = tenant("restaurant_demo", make_reservation=[("Reserved.", False)])
    await said_all(conversation, "book a table for two on Friday at 8", "Anna Bell", "617 555 0101", "change it to three people", "yes")
    made = conversation.calls[-1][1]
    assert (made["party_size"], made["time"]) == (3, "20:00")


async def test_an_unknown_question_before_the_yes_keeps_the_question_open() -> None:
    conversation = tenant("restaurant_demo")
    await said_all(conversation, "book a table for 4 tomorrow at seven, name is Rossi, 617 555 0100")
    assert (await conversation.say("do you have parking?")).startswith("I'm afraid I don't have that information. So that's for 4 people")


async def test_a_weekday_with_its_number_is_that_day() -> None:
    conversation = tenant("restaurant_demo", check_table_availability=[("Yes.", False)])
    await conversation.say("do you have space for six on sunday the 29th at 1?")
    assert conversation.calls[0][1] == {"date": "2026-11-29", "time": "13:00", "party_size": 6}


@pytest.mark.parametrize(("answer", "service"), [("no, both", "haircut and beard"), ("no preference", "haircut"), ("whatever", "haircut")])
async def test_both_is_both_and_what_is_left_open_is_read_back(answer: str, service: str) -> None:
    conversation = tenant("barber_shop_demo")
    await said_all(conversation, "book me in tomorrow at 1pm, name's Olu, 212 555 0111", answer)
    assert f"a {service}," in conversation.said[-1]


async def test_moving_an_appointment_is_not_taken_for_a_new_one() -> None:
    conversation = tenant("barber_shop_demo")
    assert "can't move that" in await conversation.say("I have an appointment tomorrow, can I move it to Tuesday?")
    assert conversation.calls == []


async def test_a_phone_number_is_no_order_number() -> None:
    conversation = tenant("pizza_shop_01")
    await said_all(conversation, "where is my order?", "212 555 0134")
    assert conversation.calls == []
