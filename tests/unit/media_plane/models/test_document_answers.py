"""What is answered out of uploaded documents: whole sentences, under the heading that fits the question."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from media_plane.models.policy.knowledge import find_answer
from media_plane.models.scripted import ScriptedChat
from nexus.domain.document_text import ContentType, read_document
from nexus.domain.tenant import TenantConfig
from tests.fakes.chat_models import Conversation
from tests.growth import grows_in_proportion

PARKING = """# Parking

Free parking is behind the shop, entrance on Elm Street. Dogs are welcome on Mondays.

Gift cards cost 50 dollars and never expire.
"""
SAID = " ".join(PARKING.split("\n", 1)[1].split())
PARK = "Where can I park?"
ADDRESS: JsonValue = "7 Harbor Street, Boston"


async def answered(question: str, knowledge: JsonValue) -> str:
    config = TenantConfig(tenant_id="shop", system_prompt="x", knowledge_base=knowledge)
    return await Conversation(ScriptedChat(), (), config).say(question)


def read(text: str, kind: ContentType = "text/markdown") -> JsonValue:
    return read_document(kind, text)


@pytest.mark.parametrize("name", ["parking", "Parking", "House notes"])
async def test_sentences_are_said_as_they_stand(name: str) -> None:
    assert await answered(PARK, {name: read(PARKING)}) == SAID


async def test_each_heading_is_said_once_before_its_sentences() -> None:
    text = "## Cars\n\nThey stand behind the shop.\n\n## Bicycles\n\nThey stand in front of the shop!\n\n## Fee\n\nnone\n"
    told = "Parking: fee none. Cars: They stand behind the shop. Bicycles: They stand in front of the shop!"
    assert await answered("Is there parking?", {"Parking": read(text)}) == told


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"parking": {"spaces": 12, "open": "from 9 a.m."}}, "Parking: spaces 12, open from 9 a.m."),
        ({"parking": {"cars": ["two", "three"], "fee": {"day": 5, "night": 3}}}, "Parking: cars two and three, fee day 5, night 3."),
        ([{"question": "Is there parking?", "answer": "Yes, it is behind the shop."}], "Yes, it is behind the shop."),
        ([{"name": "Parking", "fee": "5", "note": "It is behind the shop."}], "Parking: fee 5. It is behind the shop."),
    ],
)
async def test_records_end_in_one_full_stop(record: JsonValue, told: str) -> None:
    assert await answered("Is there parking?", record) == told


async def test_a_heading_in_a_document_goes_before_the_address() -> None:
    long = PARKING + "\n\n".join(["", *(f"Line {at} of the car park is for guests." for at in ("one", "two", "three", "four"))])
    for documents in ({"House notes": read(PARKING), "parking": read(PARKING)}, {"House notes": read(long)}):
        knowledge: JsonValue = {"address": ADDRESS, "hours": {"monday": "closed"}, **documents}
        assert (await answered(PARK, knowledge)).startswith(SAID)
        assert await answered("Where is the shop?", knowledge) == f"We're at {ADDRESS}."
        assert await answered("Where are you?", knowledge) == f"We're at {ADDRESS}."
        assert await answered("Where is the nearest bus stop?", knowledge) == f"We're at {ADDRESS}."


@pytest.mark.parametrize("name", ["Name", "Dish"])
async def test_a_table_of_semicolons_answers(name: str) -> None:
    table = read(f"{name};price\nCalzone;12 dollars\nMarinara;10,50 dollars\n", "text/csv")
    assert await answered("How much is the calzone?", {"Menu": table}) == "Calzone is 12 dollars."
    assert await answered("How much is the marinara?", {"Menu": table}) == "Marinara is 10,50 dollars."


def test_an_answer_takes_time_in_proportion_to_what_is_written() -> None:
    assert grows_in_proportion(lambda size: find_answer(PARK, {"parking": {"note": f"a b c{' ' * size}d"}}), 40_000)
