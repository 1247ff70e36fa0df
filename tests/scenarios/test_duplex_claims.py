"""A model that claims what no tool has done, in whole calls: none of its false confirmations goes uncorrected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import chain
from pathlib import Path

from local.sidecar.options import Line, SidecarOptions
from local.sidecar.server import Sidecar
from local.sidecar.speaking import Speech
from media_plane.audio import AudioFrame
from media_plane.engines.duplex.corrections import CORRECTION
from media_plane.engines.scripted import tone
from nexus.clock import Clock
from nexus.domain.session import SessionRecord
from tests.scenarios.duplex_house import QuickEar, duplex_house
from tests.scenarios.house import QUIET, write_tenant
from tests.unit.media_plane.engines.duplex.claims_corpus import CLAIMS

SPEED = 4.0
EVERY_FRAMES = 60
"""A sentence every five seconds: time for a correction between two."""
CODE = "false_confirmation"
BOOK = """
class Book(BaseTool):
    name = "book_appointment"
    description = "Books an appointment."
    effect = "write"
    parameters = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}

    async def execute(self, day: str) -> str:
        return "You are booked: " + day
"""


class SlowVoice:
    """A tone of 260 ms for each word, about as long as people take for one."""

    async def warm_up(self) -> None: ...

    async def speak(self, text: str, *, voice_id: str, speed: float) -> AsyncIterator[AudioFrame]:
        yield tone(260.0 * len(text.split()), 24_000)


async def call_with(folder: Path, sentences: list[str], at_frames: list[int] | None = None) -> SessionRecord:
    """The record of a call in which the caller is silent and the model says this, at these frames."""
    at_frames = at_frames or [(number + 1) * EVERY_FRAMES for number in range(len(sentences))]
    script = tuple(Line(text, at_frame=frame) for text, frame in zip(sentences, at_frames, strict=True))
    async with AsyncExitStack() as stack:
        options = SidecarOptions(mode="say", setup_s=0.1, script=script)
        double = Sidecar(options, clock=Clock(speed=SPEED), speech=Speech(QuickEar(), SlowVoice()))
        await stack.enter_async_context(double)
        built = await stack.enter_async_context(duplex_house(folder, running=(double,), speed=SPEED))
        async with built.house.call() as caller:
            await caller.hears("state", state="listening")
            await caller.speak((len(sentences) + 2) * EVERY_FRAMES * 80.0, QUIET)
            await caller.hang_up()
        return await built.house.record()


def agent_words(record: SessionRecord) -> list[str]:
    return [turn.text for turn in record.turns if turn.role == "agent"]


def noted(record: SessionRecord) -> int:
    """How many false confirmations are on record."""
    return sum(event.type == "error" and event.event == CODE for event in record.transcript)


async def test_each_claim_is_corrected_before_the_models_next_sentence(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", greeting="", first_speaker="caller", limits={"no_input_s": 600})
    claims = [text for text, _ in CLAIMS][:: len(CLAIMS) // 10][:10]
    record = await call_with(tmp_path, claims)
    said = agent_words(record)
    assert said[1::2] == [CORRECTION] * len(claims), "uncorrected"
    assert noted(record) == len(claims)
    for heard, claim in zip(said[::2], claims, strict=True):
        assert claim.startswith(heard.rstrip(".")), "what was heard of it is its beginning"


async def test_claims_with_a_pause_in_the_middle_are_corrected_once(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", greeting="", first_speaker="caller", limits={"no_input_s": 600})
    halting = [("Your order", "has been placed."), ("I have", "reserved a table."), ("I've put the pizza", "in your order.")]
    record = await call_with(tmp_path, [*chain.from_iterable(halting)], at_frames=[60, 76, 150, 166, 240, 260])
    said = agent_words(record)
    assert (said.count(CORRECTION), noted(record)) == (len(halting), len(halting))
    assert [text for text in said if text in {first for first, _ in halting}] == [first for first, _ in halting], "the pause made two items"


async def test_small_talk_is_left_alone(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", greeting="", first_speaker="caller", limits={"no_input_s": 600})
    talk = ["Sure, what day would you like?", "I can look whether that is free.", "Great, and your name?"]
    record = await call_with(tmp_path, talk)
    assert agent_words(record) == talk
    assert noted(record) == 0


async def test_with_an_agent_beside_the_truth_follows_the_correction(tmp_path: Path) -> None:
    write_tenant(
        tmp_path / "tenants",
        tools=BOOK,
        enabled_tools=["book_appointment"],
        greeting="",
        first_speaker="caller",
        limits={"no_input_s": 600},
    )
    record = await call_with(tmp_path, ["You're booked for three."])
    said = agent_words(record)
    assert said[1] == CORRECTION
    assert len(said) > 2 and "booked" in said[2].lower() and "not" in said[2].lower().replace("nothing", "not"), said
    assert record.tools == ()
