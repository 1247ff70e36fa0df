"""What the double leaves of a session: in memory for tests, on the disk for people."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np

from local.sidecar.dump import SessionDump, keep
from local.sidecar.options import SidecarOptions
from local.sidecar.server import Sidecar
from tests.fakes.sidecar_client import GOOD, connected, talking, tone


async def test_a_session_leaves_its_parameters_and_both_sides_sound(tmp_path: Path) -> None:
    async with Sidecar(SidecarOptions(mode="echo", setup_s=0.0, dump_dir=tmp_path / "dumps")) as sidecar:
        async with talking(sidecar.url) as client:
            for number in range(4):
                await client.speak(tone(4)[number * 1920 :][:1920])
            await client.pages(4)
            await client.close()
        await sidecar.idle()
    [session] = sidecar.sessions
    [facts_file] = (tmp_path / "dumps").glob("*.json")
    facts = json.loads(facts_file.read_text())
    assert facts["asked_prompt"] == facts["used_prompt"] == GOOD["text_prompt"]
    assert (facts["used_voice"], facts["leaked"], facts["ended"]) == ("NATF0.pt", False, "closed")
    assert (facts["frames_in"], facts["frames_out"], facts["text"]) == (4, 4, " I")
    assert facts["connected_at_ms"] <= facts["handshake_at_ms"] <= facts["ended_at_ms"]
    with wave.open(str(facts_file.with_suffix(".wav"))) as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getnframes()) == (2, 24_000, 4 * 1920)
        both = np.frombuffer(sound.readframes(4 * 1920), dtype="<i2").reshape(-1, 2)
    assert both[:, 0].tobytes() == bytes(session.heard)
    assert (both[1920:, 1] == both[:-1920, 0]).all(), "the right side is the left one, a frame later"


async def test_a_refused_connection_leaves_a_file_without_sound(tmp_path: Path) -> None:
    async with Sidecar(SidecarOptions(mode="echo", dump_dir=tmp_path)) as sidecar:
        sidecar.faults.refuse_handshake = True
        async with connected(sidecar.url):
            pass
        await sidecar.idle()
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]
    assert sidecar.sessions[0].ended == "refused"


async def test_a_folder_that_cannot_be_written_does_not_end_the_server(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    async with Sidecar(SidecarOptions(mode="silent", setup_s=0.0, dump_dir=blocked / "dumps")) as sidecar:
        for _ in range(2):
            async with talking(sidecar.url) as client:
                assert await client.close() == 1000
            await sidecar.idle()


def test_sound_is_kept_up_to_the_limit_and_clipped() -> None:
    track = bytearray()
    for _ in range(5):
        keep(track, np.full(1920, 2.0, dtype=np.float32), limit_s=0.2)
    assert len(track) == 4800 * 2
    assert np.frombuffer(track, dtype="<i2").max() == 32767


def test_a_session_has_leaked_only_when_it_ran_with_something_else() -> None:
    dump = SessionDump(number=1, asked_prompt="ALPHA", asked_voice="NATF0.pt")
    assert not dump.leaked, "it has not run"
    dump.handshake_at_ms, dump.used_prompt, dump.used_voice = 1.0, "ALPHA", "NATF0.pt"
    assert not dump.leaked
    dump.used_voice = "NATF1.pt"
    assert dump.leaked
