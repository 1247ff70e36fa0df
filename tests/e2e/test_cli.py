"""``nexus`` commands that need no server: settings, tenants, the doctor."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.cli import main
from local.doctor import free_space
from tests.e2e.command_line import BEGINNING, Captured, with_tenants, words
from tests.e2e.product import BARBER, ROOT, free_port


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
