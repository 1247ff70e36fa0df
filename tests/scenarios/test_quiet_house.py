"""What must not happen: words out of noise, and a word to the network."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from media_plane.engines.scripted import Script
from media_plane.speech_models.silero import load_silero
from media_plane.wiring import Instead
from nexus.clock import Clock
from tests.scenarios.house import house, scripted, speech, write_tenant

ROOT = Path(__file__).parents[2]
GUARDED_CALL = """
import asyncio, pathlib, socket, sys
def guard(event, arguments):
    if event == 'socket.getaddrinfo' and arguments[0] not in ('127.0.0.1', 'localhost', None):
        raise SystemExit(f'a look-up of {arguments[0]}')
    if event == 'socket.connect' and isinstance(arguments[1], tuple) and arguments[1][0] not in ('127.0.0.1', '::1'):
        raise SystemExit(f'a connection to {arguments[1]}')
sys.addaudithook(guard)
from media_plane.wiring import Instead
from tests.scenarios.house import house, write_tenant
async def main(folder):
    write_tenant(folder / 'tenants')
    async with house(folder, instead=Instead(), chat_model='scripted') as home, home.call() as caller:
        await caller.hears('audio.end', 30)
        await caller.type('What can you do?')
        await caller.until(lambda: len(caller.messages('audio.end')) > 1, 30)
        assert await caller.hang_up() == 'caller_hangup'
        assert (await home.record()).mode_changes == ()
    print('called')
asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


@pytest.mark.speech
async def test_a_minute_of_noise_is_no_turn_of_the_caller(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", first_speaker="caller", limits={"no_input_s": 600})
    clock = Clock(speed=10)
    invents = Script(transcripts=("thank you",) * 50)
    given = Instead(voice_engine=scripted(invents, clock), speech=speech(load_silero()))
    chance = random.Random(7)
    noise = [b"".join(int(chance.gauss(0, 900)).to_bytes(2, "little", signed=True) for _ in range(320)) for _ in range(100)]
    async with house(tmp_path, speed=10, instead=given) as home, home.call() as caller:
        for number in range(60):
            for frame in noise[number % 50 : number % 50 + 50]:
                await caller.connection.send(frame)
                await caller.clock.sleep_ms(20)
        await caller.hang_up()
        record = await home.record()
    assert record.audio.in_ms >= 59_000
    assert record.turns == ()


@pytest.mark.speech
def test_a_call_with_only_loopback_up(tmp_path: Path) -> None:
    """In a network namespace of its own where that is allowed; in any case a guard ends the process at the first step outside."""
    command = [sys.executable, "-c", GUARDED_CALL, str(tmp_path)]
    alone = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    allowed = subprocess.run([*alone, "true"], capture_output=True, check=False).returncode == 0
    ran = subprocess.run([*(alone if allowed else []), *command], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "called" in ran.stdout
