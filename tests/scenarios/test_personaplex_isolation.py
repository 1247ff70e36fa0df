"""Many callers on few processes: nobody hears, or inherits, another one's prompt, voice or audio."""

# ruff: noqa: ASYNC110  (what is waited for is written by another connection)

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.sidecar.dump import SessionDump
from local.sidecar.options import SidecarOptions
from media_plane.engines.personaplex.prompt import persona
from media_plane.engines.personaplex.voices import choose_model_voice
from nexus.adapters.waiting import LONGEST_S
from nexus.errors import QuotaExceeded
from tests.scenarios.duplex_house import DuplexHouse, duplex_house
from tests.scenarios.house import write_tenant
from tests.scenarios.tone_speech import ToneBook, ToneEar, ToneVoice, heard_by, microphone

SHOPS = {
    "north_shop": ("You sell hats in the north. Never speak of the south.", "en_us_male_calm"),
    "south_shop": ("You sell boats in the south. Never speak of the north.", "en_us_female_friendly"),
    "west_shop": ("You repair watches in the west.", "VARM4"),
}
PROMPT_BYTES = 3_000


@dataclass(frozen=True)
class Visit:
    """A call that is over. ``heard``: the sentences the caller could listen to."""

    shop: str
    call_id: str
    sentence: str
    heard: list[str]


async def visit(built: DuplexHouse, shop: str, number: int, book: ToneBook) -> Visit:
    """Call, say a sentence that nobody else ever says, listen to what comes back, hang up."""
    sentence = f"caller {number} of {shop} speaks"
    async with built.house.call(shop) as caller:
        await caller.hears("state", state="listening", within_s=20)
        async with microphone(caller, book) as mic:
            await mic.say(sentence)
            await caller.hears("audio.end", within_s=10)
        await caller.hang_up()
    return Visit(shop, caller.call_id, sentence, heard_by(caller, book))


async def visit_when_there_is_room(built: DuplexHouse, shop: str, number: int, book: ToneBook) -> tuple[Visit, int]:
    """The visit, and how often the caller was asked to come again later."""
    for refusals in range(200):
        try:
            return await visit(built, shop, number, book), refusals
        except QuotaExceeded as full:
            assert full.code == "no_engine_slot"
            assert 1 <= full.retry_after_s <= LONGEST_S
            await asyncio.sleep(0.1)
    raise AssertionError("there never was room")


def sessions_of(built: DuplexHouse) -> list[SessionDump]:
    return sorted((dump for double in built.doubles for dump in double.sessions), key=lambda dump: dump.connected_at_ms)


async def no_leak(built: DuplexHouse, visits: list[Visit], book: ToneBook) -> None:
    """Each session of a double belongs to one visit, in everything."""
    sessions = sessions_of(built)
    assert len(sessions) == len(visits)
    assert built.most_open() == 1
    by_sentence = {visit.sentence: visit for visit in visits}
    for dump in sessions:
        [sentence] = set(book.heard_in(bytes(dump.heard), 24_000))
        mine = by_sentence.pop(sentence)
        config = await built.house.stores.tenants.get(mine.shop)
        assert dump.used_prompt == dump.asked_prompt
        assert dump.used_prompt.startswith(persona(config, PROMPT_BYTES) + " ")
        assert not any(prompt in dump.used_prompt for shop, (prompt, _) in SHOPS.items() if shop != mine.shop)
        assert dump.used_voice == dump.asked_voice == choose_model_voice(SHOPS[mine.shop][1]).file
        assert set(book.heard_in(bytes(dump.said), 24_000)) == {sentence}
        assert set(mine.heard) == {sentence}, "the caller hears their own voice and no other"
        record = await built.house.stores.archive.get(mine.shop, mine.call_id)
        assert [turn.text for turn in record.turns if turn.role == "caller"] == [sentence]
        assert (record.mode_changes, record.engine_rotations) == ((), ())
    assert by_sentence == {}


async def archived(built: DuplexHouse, count: int) -> None:
    async with asyncio.timeout(10):
        while sum([len(await built.house.stores.archive.list_calls(shop)) for shop in SHOPS]) < count:
            await asyncio.sleep(0.02)


def write_shops(folder: Path) -> None:
    for shop, (prompt, voice) in SHOPS.items():
        write_tenant(folder / "tenants", shop, first_speaker="caller", system_prompt=prompt, voice_settings={"voice_id": voice})


async def test_thirty_calls_one_after_another_and_three_at_once(tmp_path: Path) -> None:
    """Two processes, none kept spare: of three callers at once the third is asked to wait, and comes to a process that served another."""
    write_shops(tmp_path)
    book, shops = ToneBook(), [*SHOPS]
    double = SidecarOptions(mode="echo", setup_s=0.2)
    over: dict[str, Any] = {"personaplex_spares": 0, "personaplex_prompt_bytes": PROMPT_BYTES}
    async with duplex_house(tmp_path, double=double, speed=5, ear=ToneEar(book), voice=ToneVoice(book), **over) as built:
        visits = [await visit(built, shops[number % 3], number, book) for number in range(30)]
        at_once = await asyncio.gather(*(visit_when_there_is_room(built, shops[place], 30 + place, book) for place in range(3)))
        visits += [visited for visited, _ in at_once]
        assert 1 <= sum(refusals > 0 for _, refusals in at_once) <= 2, "one slot may not be back yet when the three come"
        await archived(built, 33)
        await no_leak(built, visits, book)
        assert sorted(row.state for row in built.pool.status()) == ["free", "free"]
        assert min(len(double.sessions) for double in built.doubles) > 10, "both processes served"
