"""``nexus run``, and the commands that talk to it."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.request
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from local.cli import main
from nexus.domain.call import EndReason
from nexus.domain.trace import trace_id_of
from tests.e2e.command_line import Captured, Running, run, words
from tests.e2e.product import BARBER, ROOT


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with run(tmp_path_factory.mktemp("server")) as running:
        yield running


def test_the_scripted_engine_starts_at_once_and_the_first_start_makes_the_settings_file(server: Running) -> None:
    assert "loading the speech models" not in server.log
    started_s = float(server.log.split("Nexus is ready (")[1].split(" s)")[0])
    assert started_s < 3
    env = server.folder / ".env"
    assert env.read_text() == (ROOT / ".env.example").read_text()
    assert env.stat().st_mode & 0o777 == 0o600
    with urllib.request.urlopen(f"{server.url}/health/ready", timeout=5) as ready:
        assert ready.status == 200
    assert f"http://localhost:{server.port}/" in server.log


def test_a_settings_file_that_is_there_is_left_alone_and_options_win_over_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1\nENGINE=cascade\nLOG_FORMAT=JSON\n")
    with run(tmp_path, "--host", "127.0.0.2") as running:
        with urllib.request.urlopen(f"http://127.0.0.2:{running.port}/health/live", timeout=5) as alive:
            assert alive.status == 200
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", running.port)) != 0
    assert (tmp_path / ".env").read_text() == "PORT=1\nENGINE=cascade\nLOG_FORMAT=JSON\n"


def test_ctrl_c_ends_it_clean(tmp_path: Path) -> None:
    with run(tmp_path) as running:
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(timeout=20) == 0, running.log
    assert "Traceback" not in running.log


def test_sigterm_ends_it_clean_and_the_living_call_is_told_and_recorded(tmp_path: Path) -> None:
    with run(tmp_path) as running, connect(f"ws://127.0.0.1:{running.port}/ws/call/{BARBER}", proxy=None) as caller:
        caller.recv(timeout=5)
        running.process.send_signal(signal.SIGTERM)
        for _ in caller:  # heard out until the server closes
            pass
        assert caller.protocol.close_code != 1012, "the socket was torn away before the call had ended"
        assert running.process.wait(timeout=20) == 0, running.log
    assert "Traceback" not in running.log
    (archived,) = [
        json.loads(path.read_text()) for path in (tmp_path / "data" / "history" / BARBER).rglob("*.json") if "turns" in path.read_text()
    ]
    assert archived["end_reason"] == EndReason.DRAINING_FORCED


def test_a_call_must_say_something_that_exists(home: Path, capsys: Captured, server: Running) -> None:
    (home / "broken.wav").write_bytes(b"RIFF nonsense")
    for more, told in (
        ([], "--wav hello.wav"),
        (["--wav", "missing.wav"], "missing.wav"),
        (["--wav", "broken.wav"], "broken.wav"),
    ):
        assert main(["call", BARBER, "--url", server.url, *more]) == 1
        assert told in words(capsys)
    assert main(["call", "nobody_here", "--url", server.url, "--type", "Hello"]) == 1
    assert "(tenant_not_found)" in words(capsys)


def test_a_call_leaves_audio_a_session_and_a_lead(home: Path, capsys: Captured, server: Running) -> None:
    url = ["--url", server.url]
    assert main(["sessions", "list", "pizza_shop_01", *url]) == 0
    assert "No finished call yet" in words(capsys)
    assert main(["leads", "list", "pizza_shop_01", *url]) == 0
    assert "No lead yet" in words(capsys)
    assert main(["sessions", "show", "pizza_shop_01", "last", *url]) == 1
    assert "No finished call yet" in words(capsys)
    assert main(["trace", "pizza_shop_01", "last", *url]) == 1
    assert "No finished call yet" in words(capsys)

    assert main(["call", BARBER, *url, "--type", "Hello", "--out", "heard.wav", "--out-stereo", "both.wav"]) == 0
    told = words(capsys)
    assert "ended: caller_hangup" in told
    call_id = next(word for word in told.split() if word.startswith("call_"))
    with wave.open(str(home / "heard.wav")) as heard:
        assert (heard.getnchannels(), heard.getframerate(), heard.getsampwidth()) == (1, 16_000, 2)
        pcm = heard.readframes(heard.getnframes())
    assert len(pcm) > 16_000 * 2 * 0.1
    assert any(pcm), "silence was heard"
    with wave.open(str(home / "both.wav")) as both:
        assert both.getnchannels() == 2

    deadline = time.monotonic() + 10
    while call_id not in leads_of(url, capsys):
        assert time.monotonic() < deadline, "no lead"
        time.sleep(0.05)
    assert main(["sessions", "show", BARBER, "last", *url]) == 0
    told = words(capsys)
    assert call_id in told
    assert "Hello" in told
    assert main(["trace", BARBER, call_id, *url]) == 0
    told = words(capsys)
    assert f"trace {trace_id_of(call_id)}" in told
    for span in ("wait for caller", "session", "caller turn", "agent turn", "lead"):
        assert span in told
    assert "Hello" not in told
    for filters, found in (
        ([], True),
        (["--status", "completed"], True),
        (["--end-reason", "caller_hangup", "--limit", "1"], True),
        (["--status", "abandoned"], False),
        (["--status", "completed", "--end-reason", "agent_hangup"], False),
    ):
        assert main(["sessions", "list", BARBER, *url, *filters]) == 0
        assert (call_id in words(capsys)) is found, filters


def leads_of(url: list[str], capsys: Captured) -> str:
    assert main(["leads", "list", BARBER, *url]) == 0
    return words(capsys)


def test_a_session_that_is_not_there(home: Path, capsys: Captured, server: Running) -> None:
    assert main(["sessions", "show", BARBER, "call_01KAJ0000000000000000000ZZ", "--url", server.url]) == 1
    assert "(session_not_found)" in words(capsys)
    assert main(["sessions", "list", BARBER, "--limit", "many", "--url", server.url]) == 1
    assert "(invalid_request)" in words(capsys)


def test_a_simulated_customer_is_answered_line_by_line(home: Path, capsys: Captured, server: Running) -> None:
    lines = ["What is your address?", "No, that's all, bye", "never said"]
    assert main(["simulate", BARBER, "--url", server.url, "--say", *lines]) == 0
    told = words(capsys)
    assert "agent Hi, this is Joe's Barber Shop." in told
    assert "12 Mill Street" in told
    assert "never said" not in told
    assert main(["simulate", "nobody_here", "--url", server.url, "--say", "Hello"]) == 1
    assert "(tenant_not_found)" in words(capsys)
