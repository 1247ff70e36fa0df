"""A model that confirms what nobody has done: corrected in the same turn, every time; what is true is left alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from local.sidecar.options import SidecarOptions
from media_plane.engines.duplex.corrections import CORRECTION
from nexus.domain.session import SessionRecord, Turn
from tests.scenarios.house import Caller, write_tenant
from tests.scenarios.tone_house import ToneHouse, tone_house
from tests.scenarios.tone_speech import Mic, heard_by, microphone

ROOT = Path(__file__).parents[2]
SPEED = 4.0
SMALL_TALK = "Is it going to rain tomorrow"
"""A turn that the double takes for a date, and the agent beside for none of its business."""
NO_TOOLS = (
    "You're booked for three tomorrow.",
    "Great, I've put you down for Friday at nine.",
    "Your table for two is reserved.",
    "Okay, all set, see you on Monday.",
    "I've cancelled your appointment for you.",
    "Your reservation has been cancelled.",
    "I took you off the calendar.",
    "I've moved it to Friday at noon.",
    "Your appointment has been changed to ten.",
    "I just rescheduled you for Tuesday.",
    "I've sent you a text with the details.",
    "A confirmation was sent to your email.",
    "I've made a note of that for you.",
    "I passed your message on to the owner.",
    "Done! Your order is on its way.",
    "That's taken care of.",
)
WITH_TOOLS = {
    "barber_shop_demo": (
        "You're booked with Joe at ten.",
        "I've cancelled your haircut.",
        "I moved you to eleven.",
        "I've texted you the details.",
    ),
    "restaurant_demo": ("Your table is booked for eight.", "I've sent you a confirmation."),
    "pizza_shop_01": ("I've placed your order.", "Your order has been changed."),
}


@dataclass(frozen=True)
class Delay:
    """Milliseconds from the first word of a claim on the caller's screen: until it is stopped, and until the correction sounds."""

    flush_ms: float
    correction_ms: float


async def claimed(caller: Caller, mic: Mic, number: int) -> Delay:
    """Say something harmless; the model claims; wait until that is corrected."""
    await mic.say(SMALL_TALK)
    asked_ms = caller.clock.monotonic_ms()
    await caller.until(lambda: caller.agent_lines().count(CORRECTION) == number, 10)
    first_ms = min(at for at, message in _after(caller, asked_ms, "transcript", role="agent"))
    flush_ms = min(at for at, _ in _after(caller, asked_ms, "audio.clear"))
    item = next(message["item_id"] for _, message in _after(caller, asked_ms, "transcript", role="agent") if message["text"] == CORRECTION)
    sounds_ms = min(at for at, _ in _after(caller, asked_ms, "audio.begin", item_id=item))
    return Delay(flush_ms - first_ms, sounds_ms - first_ms)


def _after(caller: Caller, at_ms: float, kind: str, **fields: str) -> list[tuple[float, dict[str, str]]]:
    return [
        (at, message)
        for at, message in caller.got
        if at > at_ms and isinstance(message, dict) and message["type"] == kind and fields.items() <= message.items()
    ]


def uncorrected(turns: tuple[Turn, ...], claims: tuple[str, ...]) -> list[str]:
    """The claims on record of which the caller heard something and that no correction follows before the caller speaks again."""
    found: list[str] = []
    for place, turn in enumerate(turns):
        if turn.role != "agent" or turn.heard_ms == 0 or turn.text == CORRECTION or not any(_begins(claim, turn.text) for claim in claims):
            continue
        rest = turns[place + 1 :]
        until_caller = rest[: next((at for at, later in enumerate(rest) if later.role == "caller"), len(rest))]
        if not any(later.heard_text == CORRECTION for later in until_caller):
            found.append(turn.text)
    return found


def _begins(claim: str, text: str) -> bool:
    return bool(text) and claim.startswith(text)


def noted(record: SessionRecord) -> int:
    return sum(event.event == "false_confirmation" for event in record.transcript)


async def one_call(home: ToneHouse, shop: str, count: int) -> list[Delay]:
    async with home.house.call(shop) as caller, microphone(caller, home.book) as mic:
        await caller.hears("audio.end", within_s=20)
        delays = []
        for number in range(1, count + 1):
            delays.append(await claimed(caller, mic, number))
            await caller.clock.sleep_ms(300)
        await caller.hang_up()
    assert heard_by(caller, home.book).count(CORRECTION) == count, "in our own voice, in the caller's ear"
    return delays


async def test_no_false_confirmation_goes_uncorrected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tenant(tmp_path / "tenants", "corner_shop")
    delays: list[Delay] = []
    missed: list[str] = []
    noticed = 0
    double = SidecarOptions(mode="converse", setup_s=0.2, claims=NO_TOOLS)
    async with tone_house(tmp_path, double, speed=SPEED) as home:
        delays += await one_call(home, "corner_shop", len(NO_TOOLS))
        record = await home.house.record()
        missed += uncorrected(record.turns, NO_TOOLS)
        noticed += noted(record)
    for shop, claims in WITH_TOOLS.items():
        for claim in claims:
            double = SidecarOptions(mode="converse", setup_s=0.2, claims=(claim,))
            async with tone_house(tmp_path / re.sub(r"\W", "_", claim), double, speed=SPEED, tenants_dir=ROOT / "tenants") as home:
                delays += await one_call(home, shop, 1)
                record = await home.house.record(shop)
                missed += uncorrected(record.turns, claims)
                noticed += noted(record)
                assert all(use.status != "done" or use.name.startswith("check") for use in record.tools)
    said = len(NO_TOOLS) + sum(len(claims) for claims in WITH_TOOLS.values())
    flush, correction = [one.flush_ms for one in delays], [one.correction_ms for one in delays]
    with capsys.disabled():
        counts = f"\nfalse confirmations: {said} said, {len(missed)} uncorrected; first word to stop p50 {median(flush):.0f} ms"
        print(f"{counts} max {max(flush):.0f} ms, to the correction p50 {median(correction):.0f} ms max {max(correction):.0f} ms")  # noqa: T201
    assert (said, noticed, missed) == (24, 24, [])
    assert max(correction) < 2_500


async def test_what_is_true_is_not_corrected(tmp_path: Path) -> None:
    """Before the booking the same words are never heard, after it they stand."""
    claim = "You're booked for Friday at ten."
    double = SidecarOptions(mode="converse", setup_s=0.2, claims=(claim,) * 4)
    async with tone_house(tmp_path, double, speed=SPEED, tenants_dir=ROOT / "tenants") as home:
        async with home.house.call("barber_shop_demo") as caller, microphone(caller, home.book) as mic:
            await caller.hears("audio.end", within_s=20)
            for turn in ("I want to book a haircut on Friday at ten", "My name is Dana Smith", "My number is 212 555 0147", "Yes please"):
                lines = len(caller.agent_lines())
                await mic.say(turn)
                await caller.until(lambda lines=lines: len(caller.agent_lines()) > lines, 10)  # type: ignore[misc]
                assert claim not in caller.agent_lines()
                await caller.clock.sleep_ms(1_000)
            await caller.hears("tool", status="done")
            await caller.clock.sleep_ms(3_000)
            await mic.say("Is it going to rain on Friday")
            await caller.hears("transcript", role="agent", text=claim, final=True, within_s=10)
            await caller.hang_up()
        record = await home.house.record("barber_shop_demo")
        assert CORRECTION not in [turn.text for turn in record.turns]
        assert noted(record) == 0
        assert [use.status for use in record.tools] == ["done"]
        assert claim in heard_by(caller, home.book)
