"""The ``nexus`` command as a user meets it: its words, its exit codes, and what each broken state is told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.sync.client import connect

from local.cli import main
from local.doctor import free_space
from nexus.domain.call import EndReason
from nexus.domain.trace import trace_id_of
from tests.e2e.product import BARBER, ROOT, free_port

Captured = pytest.CaptureFixture[str]
BEGINNING = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


@dataclass(frozen=True, slots=True)
class Running:
    """``nexus run`` with the scripted engine, in a process of its own."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def run(folder: Path, *arguments: str, port: int = 0) -> Iterator[Running]:
    """A new user's folder: tenants, the example of the settings, nothing else."""
    chosen = port or free_port()
    shutil.copytree(ROOT / "tenants", folder / "tenants")
    shutil.copy(ROOT / ".env.example", folder)
    command = [sys.executable, "-m", "local.cli", "run", "--engine", "scripted", "--port", str(chosen), *arguments]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env={**BEGINNING, "PYTHONPATH": str(ROOT)}, cwd=folder, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 30
            while "Nexus is ready" not in (folder / "log").read_text():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, "not ready"
                time.sleep(0.02)
            yield Running(process, folder, chosen)
        finally:
            process.kill()
            process.wait(timeout=10)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with run(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own to stand in, with no settings from outside."""
    monkeypatch.chdir(tmp_path)
    for name in ("PORT", "HOST", "ENGINE", "DATA_DIR", "TENANTS_DIR", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PORT", str(free_port()))
    return tmp_path


def words(captured: Captured) -> str:
    """What was printed, as one line: tables may wrap."""
    told = captured.readouterr()
    return " ".join((told.out + told.err).split())


def with_tenants(home: Path) -> Path:
    shutil.copytree(ROOT / "tenants", home / "tenants")
    return home / "tenants"


# --- help and wrong words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], ["run", "doctor", "call", "simulate", "tenant", "sessions", "leads"]),
        (["run"], ["--host", "--port", "--engine"]),
        (["doctor"], ["name the fix"]),
        (["call"], ["--wav", "--type", "--out", "--out-stereo", "--phone", "--url"]),
        (["simulate"], ["--say", "--phone"]),
        (["tenant"], ["new", "check", "list"]),
        (["sessions", "list"], ["--status", "--end-reason", "--limit"]),
        (["sessions", "show"], ["'last'"]),
        (["trace"], ["'last'", "--url"]),
        (["leads", "list"], ["--limit"]),
    ],
)
def test_every_command_explains_itself(arguments: list[str], named: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--help"])
    assert left.value.code == 0
    told = words(capsys)
    assert [word for word in named if word not in told] == []


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["tenant"], ["run", "--port", "many"], ["run", "--engine", "none"], ["sessions", "show", "a"]]
)
def test_wrong_words_are_refused_with_the_usage(arguments: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage: nexus" in words(capsys)


# --- run ---------------------------------------------------------------------------------------------------------------------


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


def test_a_taken_port_is_told_with_the_next_free_one_and_the_command(home: Path, capsys: Captured) -> None:
    with_tenants(home)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["run", "--engine", "scripted", "--port", str(port)]) == 1
    told = words(capsys)
    assert f"127.0.0.1:{port} is taken by another program" in told
    offered = int(told.split("--port ")[1].split("'")[0])
    assert port < offered <= port + 100
    assert "make run ARGS='--port" in told


def test_every_bad_setting_is_named_by_its_variable(home: Path, capsys: Captured) -> None:
    (home / ".env").write_text("PORT=99999\nENGINE_SLOTS=0\nENGINE=personaplexx\nCHAT_MODEL=gemini\n")
    os.environ.pop("PORT")
    assert main(["run"]) == 1
    told = words(capsys)
    for name in ("PORT:", "ENGINE_SLOTS:", "ENGINE:"):
        assert f"✗ {name}" in told
    (home / ".env").write_text("CHAT_MODEL=gemini\n")
    assert main(["doctor"]) == 1
    assert "CHAT_MODEL=gemini needs GEMINI_API_KEY" in words(capsys)


# --- doctor ------------------------------------------------------------------------------------------------------------------


def test_a_whole_installation_passes(home: Path, capsys: Captured) -> None:
    with_tenants(home)
    assert main(["doctor"]) == 0
    told = words(capsys)
    assert f"✓ port 127.0.0.1:{os.environ['PORT']} is free" in told
    assert f"✓ tenant {BARBER} fine" in told
    assert "✗" not in told


def test_a_file_in_the_way_of_the_data_folder(home: Path, capsys: Captured) -> None:
    with_tenants(home)
    (home / "data").write_text("in the way")
    assert main(["doctor"]) == 1
    told = words(capsys)
    assert "✗ data folder" in told
    assert "DATA_DIR" in told


@pytest.mark.parametrize(
    ("free_mb", "level", "told"), [(199, "warning", "only 199 MB free"), (200, "ok", "0 GB free"), (5_000, "ok", "4 GB free")]
)
def test_little_disk_space_is_a_warning(free_mb: int, level: str, told: str) -> None:
    finding = free_space(Path("data"), free_mb * 2**20)
    assert finding.level == level
    assert told in finding.detail
    assert ("free some disk space" in finding.fix) is (level == "warning")


def test_a_missing_tenants_folder_by_every_command_that_needs_it(home: Path, capsys: Captured) -> None:
    for arguments in (["doctor"], ["tenant", "list"], ["tenant", "check"], ["tenant", "check", "shop"], ["tenant", "new", "shop"]):
        assert main(arguments) == 1, arguments
        told = words(capsys)
        assert "✗" in told
        assert "TENANTS_DIR" in told, arguments


def test_a_broken_tenant_is_a_warning_with_its_first_fault(home: Path, capsys: Captured) -> None:
    (with_tenants(home) / BARBER / "config.yaml").write_text("tenant_id: barber_shop_demo\nsystem_prompt: Brief.\ngreting: hi\n")
    assert main(["doctor"]) == 0
    told = words(capsys)
    assert f"! tenant {BARBER}" in told
    assert "1 fault(s)" in told
    assert f"tenant check {BARBER}" in told


@pytest.mark.parametrize("name", ["STT_MODEL_DIR", "VOICE_MODEL_PATH"])
def test_a_model_path_that_leads_nowhere(home: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with_tenants(home)
    monkeypatch.setenv(name, "/no/such/model")
    assert main(["doctor"]) == 1
    told = words(capsys)
    assert f"✗ {name} /no/such/model does not exist" in told
    assert f"correct {name}" in told


def test_a_missing_speech_package_is_a_warning_that_names_it(home: Path) -> None:
    """In a process of its own, where an import hook says that the package is not there."""
    with_tenants(home)
    (home / "hook").mkdir()
    (home / "hook" / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, package=None: None if name == 'faster_whisper' else find(name, package)\n"
    )
    environment = {**BEGINNING, "PYTHONPATH": f"{home / 'hook'}:{ROOT}", "PORT": str(free_port())}
    told = subprocess.run(
        [sys.executable, "-m", "local.cli", "doctor"], env=environment, cwd=home, capture_output=True, text=True, timeout=30
    )
    assert told.returncode == 0
    assert "not installed: faster_whisper; calls go on as text" in " ".join(told.stdout.split())


# --- tenants -----------------------------------------------------------------------------------------------------------------


def test_a_new_tenant_is_sound_and_listed(home: Path, capsys: Captured) -> None:
    with_tenants(home)
    assert main(["tenant", "new", "my_shop"]) == 0
    assert "tenant check my_shop" in words(capsys)
    assert main(["tenant", "check", "my_shop"]) == 0
    assert "✓ my_shop" in words(capsys)
    assert main(["tenant", "list"]) == 0
    told = words(capsys)
    assert "my_shop fine" in told
    assert "_template" not in told
    assert main(["tenant", "check"]) == 0


@pytest.mark.parametrize("tenant_id", ["../evil", "My Shop", "", "_template", "a" * 200])
def test_an_id_that_is_none_is_refused_and_nothing_is_made(home: Path, capsys: Captured, tenant_id: str) -> None:
    before = sorted(with_tenants(home).iterdir())
    assert main(["tenant", "new", tenant_id]) == 1
    assert "(invalid_tenant_id)" in words(capsys)
    assert sorted((home / "tenants").iterdir()) == before


def test_a_tenant_that_exists_is_not_written_over(home: Path, capsys: Captured) -> None:
    config = with_tenants(home) / BARBER / "config.yaml"
    before = config.read_text()
    assert main(["tenant", "new", BARBER]) == 1
    assert "exists already" in words(capsys)
    assert config.read_text() == before


def test_a_folder_without_template_says_so(home: Path, capsys: Captured) -> None:
    (home / "tenants").mkdir()
    assert main(["tenant", "new", "shop"]) == 1
    assert "There is no template" in words(capsys)


def test_a_tenant_that_is_not_there(home: Path, capsys: Captured) -> None:
    with_tenants(home)
    assert main(["tenant", "check", "nobody"]) == 1
    assert "tenant new nobody" in words(capsys)


def test_every_fault_of_both_files_is_told_with_its_line(home: Path, capsys: Captured) -> None:
    folder = with_tenants(home) / BARBER
    (folder / "config.yaml").write_text(
        "tenant_id: barber_shop_demo\nsystem_prompt: Be brief.\ngreting: hello\nlimits:\n  max_duration_s: soon\n"
    )
    (folder / "tools.py").write_text("import os\nimport subprocess\n")
    assert main(["tenant", "check", BARBER]) == 1
    told = words(capsys)
    assert f"✗ {BARBER}" in told
    for fault in ("config.yaml line 3", "config.yaml line 5", "tools.py line 2"):
        assert fault in told
    assert main(["tenant", "list"]) == 0
    assert f"{BARBER} 2 fault(s)" in words(capsys)


# --- calls, sessions, leads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["call", BARBER, "--type", "Hello"],
        ["simulate", BARBER, "--say", "Hello"],
        ["sessions", "list", BARBER],
        ["sessions", "show", BARBER, "last"],
        ["leads", "list", BARBER],
    ],
)
def test_where_nothing_listens_the_address_and_the_way_to_start_are_told(home: Path, capsys: Captured, arguments: list[str]) -> None:
    assert main(arguments) == 1
    told = words(capsys)
    assert f"127.0.0.1:{os.environ['PORT']}" in told
    assert "make run" in told


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
