"""Every fault of a model's server under a talking caller: told, taken over, answered, on record, and gone with the next call."""

# ruff: noqa: ASYNC110  (what is waited for happens in another connection)

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from control_plane.services.calls import OrderedCall
from local.sidecar.options import SidecarOptions
from nexus.domain.session import SessionRecord
from nexus.errors import QuotaExceeded
from tests.scenarios.house import Caller, dial, write_tenant
from tests.scenarios.tone_house import ToneHouse, tone_house
from tests.scenarios.tone_speech import Mic, heard_by, microphone

CONVERSES = SidecarOptions(mode="converse", setup_s=0.5)
HELLO, QUESTION, THANKS = "Hello, how are you", "Where can I park my car", "Thank you so much"
FROM_MODEL, FROM_TENANT = "Hi there! What can I do for you?", "Parking: behind the house."
SPEED = 4.0
ALONE: dict[str, Any] = {"processes": 1, "personaplex_spares": 0, "personaplex_lag_limit_s": 1.0, "speed": SPEED}


@dataclass(frozen=True)
class Fault:
    """``within_ms``: from the moment the server goes wrong until the caller is told. ``restarted``: only a new process helps it."""

    switch: str
    reason: str
    within_ms: float
    value: Any = 0
    restarted: bool = False
    question_ms: float = 400.0
    """A model that is slow falls behind for as long as the caller speaks: silence is left out for it."""


FAULTS = (
    Fault("fail_after_frames", "engine_lost", 1_000),
    Fault("drop_after_frames", "engine_lost", 1_000),
    Fault("hang_after_frames", "engine_mute", 6_500),
    Fault("mute", "engine_mute", 6_500, value=True),
    Fault("half_open_after_frames", "engine_mute", 6_500, restarted=True),
    Fault("slow_ms", "engine_lagging", 6_000, value=320.0, question_ms=5_000),
)


def write_shop(folder: Path, **config: Any) -> None:
    write_tenant(folder / "tenants", first_speaker="caller", knowledge_base={"parking": "behind the house"}, **config)


async def free_again(home: ToneHouse, within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while set(home.states()) != {"free"}:
            await asyncio.sleep(0.02)


async def hello(home: ToneHouse, caller: Caller, mic: Mic) -> None:
    """The model listens and answers."""
    await caller.hears("state", state="listening", within_s=20)
    await mic.say(HELLO)
    await caller.hears("transcript", role="agent", text=FROM_MODEL, final=True, within_s=10)


async def ordered_when_there_is_room(home: ToneHouse) -> OrderedCall:
    """The ledger hears with the next heartbeat that there is a process again."""
    async with asyncio.timeout(10):
        while True:
            with suppress(QuotaExceeded):
                return await home.house.order()
            await asyncio.sleep(0.05)


async def model_call(home: ToneHouse) -> None:
    """A whole call in which the model answers."""
    await free_again(home)
    ordered = await ordered_when_there_is_room(home)
    async with dial(home.house.url, ordered.entry.call_id, ordered.ticket, home.house.clock) as caller:
        await caller.begin()
        async with microphone(caller, home.book) as mic:
            await hello(home, caller, mic)
            await caller.hang_up()


async def last_record(home: ToneHouse, count: int) -> SessionRecord:
    return sorted(await home.house.many_records(count), key=lambda record: record.connected_at)[0]


def said(record: SessionRecord, role: str) -> list[str]:
    return [turn.text for turn in record.turns if turn.role == role]


def faults_of(record: SessionRecord) -> list[str | None]:
    return [event.event for event in record.transcript if event.type == "error"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.switch)
async def test_a_model_that_fails_under_a_question_is_followed_by_the_cascade(tmp_path: Path, fault: Fault) -> None:
    write_shop(tmp_path)
    async with tone_house(tmp_path, CONVERSES, **ALONE) as home:
        [double] = home.doubles
        async with home.house.call() as caller, microphone(caller, home.book) as mic:
            await hello(home, caller, mic)
            setattr(double.faults, fault.switch, fault.value)
            went_wrong_ms = caller.clock.monotonic_ms()
            await mic.say(QUESTION, fault.question_ms)
            told_ms = await caller.hears("mode_changed", to="voice", reason=fault.reason, within_s=10)
            assert told_ms - went_wrong_ms <= fault.within_ms
            await caller.hears("transcript", role="agent", text=FROM_TENANT, final=True, within_s=5)
            setattr(double.faults, fault.switch, None if fault.switch.endswith("frames") else type(fault.value)())
            await mic.say(THANKS)
            await caller.until(lambda: any("welcome" in line for line in caller.agent_lines()))
            await caller.hang_up()
        record = await home.house.record()
        assert said(record, "caller") == [HELLO, QUESTION, THANKS]
        answers = [turn for turn in record.turns if turn.role == "agent" and "I'm back" not in turn.text]
        assert [turn.text for turn in answers][:2] == [FROM_MODEL, FROM_TENANT]
        assert [turn.engine for turn in answers][:2] == ["personaplex", "cascade"]
        assert [(change.to, change.reason) for change in record.mode_changes] == [("voice", fault.reason)]
        assert fault.reason in faults_of(record)
        assert FROM_TENANT in heard_by(caller, home.book)
        if fault.restarted:
            await double.stop()
            await double.start()
        await model_call(home)
        assert double.most_open == 1
        assert (await last_record(home, 2)).id == record.id


@pytest.mark.parametrize("switch", ["refuse_handshake", "never_handshake"])
async def test_a_model_that_never_listens_is_followed_by_the_cascade(tmp_path: Path, switch: str) -> None:
    """And it is not ``ready`` that the caller is told meanwhile."""
    write_shop(tmp_path)
    over = {**ALONE, "personaplex_connect_timeout": 2, "personaplex_reconnect_delay": 0.1}
    async with tone_house(tmp_path, CONVERSES, **over) as home:
        [double] = home.doubles
        setattr(double.faults, switch, True)
        async with home.house.call() as caller, microphone(caller, home.book) as mic:
            told_ms = await caller.hears("mode_changed", to="voice", reason="engine_unreachable", within_s=10)
            listening_ms = await caller.hears("state", state="listening")
            assert listening_ms >= told_ms
            await mic.say(QUESTION)
            await caller.hears("transcript", role="agent", text=FROM_TENANT, final=True, within_s=5)
            await caller.hang_up()
        assert said(await home.house.record(), "caller") == [QUESTION]
        setattr(double.faults, switch, False)
        await model_call(home)
        assert double.most_open == 1


@pytest.mark.parametrize("switch", ["refuse_handshake", "never_handshake"])
async def test_a_model_is_lost_and_the_spare_never_listens(tmp_path: Path, switch: str) -> None:
    write_shop(tmp_path)
    over: dict[str, Any] = {"personaplex_connect_timeout": 2, "speed": SPEED}
    async with tone_house(tmp_path, CONVERSES, **over) as home:
        async with home.house.call() as caller, microphone(caller, home.book) as mic:
            await hello(home, caller, mic)
            for double in home.doubles:
                setattr(double.faults, switch, True)
                double.faults.fail_after_frames = 0
            went_wrong_ms = caller.clock.monotonic_ms()
            await mic.say(QUESTION)
            assert await caller.hears("mode_changed", to="voice", reason="engine_lost", within_s=10) - went_wrong_ms < 6_000
            await caller.hears("transcript", role="agent", text=FROM_TENANT, final=True, within_s=5)
            await caller.hang_up()
        assert said(await home.house.record(), "caller") == [HELLO, QUESTION]
        for double in home.doubles:
            setattr(double.faults, switch, False)
            double.faults.fail_after_frames = None
        await model_call(home)
        assert home.built.most_open() == 1


async def test_a_corrupt_page_costs_one_frame_and_not_the_call(tmp_path: Path) -> None:
    write_shop(tmp_path)
    async with tone_house(tmp_path, CONVERSES, **ALONE) as home:
        [double] = home.doubles
        async with home.house.call() as caller, microphone(caller, home.book) as mic:
            await hello(home, caller, mic)
            double.faults.corrupt_page = home.sessions()[0].frames_out + 3
            await mic.say(THANKS)
            await caller.until(lambda: any("welcome" in line for line in caller.agent_lines()))
            await caller.hang_up()
        record = await home.house.record()
        assert said(record, "caller") == [HELLO, THANKS]
        assert (record.mode_changes, record.engine_rotations) == ((), ())
        await free_again(home)


@pytest.mark.parametrize("switch", ["fail_after_frames", "drop_after_frames"])
async def test_a_question_that_dies_with_its_process_is_answered(tmp_path: Path, switch: str) -> None:
    """What the lost session owed is answered by our own voice at once, while a spare process takes the call."""
    write_shop(tmp_path)
    async with tone_house(tmp_path, CONVERSES, speed=SPEED) as home:
        async with home.house.call() as caller, microphone(caller, home.book) as mic:
            await hello(home, caller, mic)
            [mine] = [double for double in home.doubles if double.busy]
            [other] = [double for double in home.doubles if double is not mine]
            await mic.say(QUESTION)
            asked_ms = caller.clock.monotonic_ms()
            setattr(mine.faults, switch, 0)
            answered_ms = await caller.hears("transcript", role="agent", text=FROM_TENANT, within_s=10)
            assert answered_ms - asked_ms < 8_000
            async with asyncio.timeout(5):
                while not (other.sessions and other.sessions[-1].frames_out > 50):
                    await asyncio.sleep(0.02)
            await caller.hang_up()
        record = await home.house.record()
        assert said(record, "caller") == [HELLO, QUESTION]
        assert [(move.generation, move.reason) for move in record.engine_rotations] == [(2, "lost")]
        assert home.built.most_open() == 1
