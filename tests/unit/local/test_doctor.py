"""What the doctor finds: ports, folders and tenants in broken states, each with its fix."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.doctor import Finding, absent_engines, examine
from local.scaffold import check_tenant
from nexus.settings.values import Settings, load_settings

TENANTS = Path(__file__).parents[3] / "tenants"


def settings_of(folder: Path, **given: Any) -> Settings:
    chosen: dict[str, Any] = {"data_dir": folder, "tenants_dir": TENANTS, "engine": "scripted", "host": "127.0.0.1", "port": 0, **given}
    return load_settings(**chosen)


def finding(settings: Settings, name: str, *, starting: bool = True) -> Finding:
    return next(one for one in examine(settings, starting=starting) if one.name == name)


class _Nexus(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"product": "nexus"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def running_port() -> Iterator[int]:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Nexus)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_taken_port_is_a_fault_with_a_free_one_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        port = listener.getsockname()[1]
        listener.close()
    with socket.socket() as held:
        held.bind(("127.0.0.1", port))
        found = finding(settings_of(tmp_path, port=port), "port")
    assert (found.level, "taken by another program" in found.detail) == ("fault", True)
    assert "PORT=" in found.fix


def test_a_nexus_that_runs_is_fine_unless_another_one_starts(tmp_path: Path, running_port: int) -> None:
    settings = settings_of(tmp_path, port=running_port)
    assert finding(settings, "port", starting=False).level == "ok"
    assert "another Nexus" in finding(settings, "port").detail


def test_a_file_in_place_of_the_data_folder_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert finding(settings_of(tmp_path / "data"), "data folder").level == "fault"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a file system that takes no files")
def test_a_folder_that_takes_no_files_is_a_fault_even_for_root() -> None:
    assert finding(settings_of(Path("/proc/nexus")), "data folder").level == "fault"


def test_a_broken_tenant_is_a_warning_with_the_command_and_the_first_line(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "config.yaml").write_text("tenant_id: shop\nsystem_prompt: x\nnmae: y\n")
    found = finding(settings_of(tmp_path, tenants_dir=tmp_path), "tenant shop")
    assert found.level == "warning"
    assert "tenant check shop: line 3" in found.fix


def _findings(settings: Settings, name: str) -> list[tuple[str, str]]:
    return [(one.level, one.detail) for one in examine(settings) if one.name == name]


def test_each_process_of_the_model_is_told_alive_or_not(tmp_path: Path, running_port: int) -> None:
    alive, dead = f"ws://127.0.0.1:{running_port}/api/chat", "ws://127.0.0.1:1/api/chat"
    settings = settings_of(tmp_path, engine="personaplex", personaplex_ws_url=f"{alive},{dead}")
    told = _findings(settings, "PersonaPlex")
    assert told[0] == ("ok", f"{alive} answers")
    assert told[1][0] == "warning"
    assert f"{dead} does not answer" in told[1][1]
    assert "PERSONAPLEX_WS_URL" in next(one.fix for one in examine(settings) if dead in one.detail)
    assert _findings(settings, "PersonaPlex spare") == []


def test_a_single_process_cannot_carry_long_calls(tmp_path: Path, running_port: int) -> None:
    settings = settings_of(tmp_path, engine="personaplex", personaplex_ws_url=f"ws://127.0.0.1:{running_port}/api/chat")
    ((level, detail),) = _findings(settings, "PersonaPlex spare")
    assert level == "warning"
    assert "300 s" in detail


def test_a_sidecar_of_ones_own_is_asked_too(tmp_path: Path, running_port: int) -> None:
    alive = settings_of(tmp_path, engine="pcm_sidecar", pcm_sidecar_ws_url=f"ws://127.0.0.1:{running_port}/v1/audio-stream")
    dead = settings_of(tmp_path, engine="pcm_sidecar", pcm_sidecar_ws_url="ws://127.0.0.1:1/v1/audio-stream")
    assert _findings(alive, "sidecar")[0][0] == "ok"
    assert _findings(dead, "sidecar")[0][0] == "warning"


def test_ear_and_voice_are_looked_for_beside_a_sidecar(tmp_path: Path) -> None:
    assert "not needed" in finding(settings_of(tmp_path), "speech models").detail
    assert "not needed" not in finding(settings_of(tmp_path, engine="pcm_sidecar"), "speech models").detail


@pytest.mark.parametrize(
    ("given", "absent"),
    [
        ({"engine": "cascade"}, ["personaplex", "pcm_sidecar"]),
        ({"engine": "personaplex"}, ["pcm_sidecar"]),
        ({"engine": "cascade", "personaplex_ws_url": "ws://127.0.0.1:1/api/chat"}, ["pcm_sidecar"]),
        ({"engine": "cascade", "personaplex_ws_url": "ws://127.0.0.1:1/elsewhere"}, ["personaplex", "pcm_sidecar"]),
        ({"engine": "personaplex", "pcm_sidecar_ws_url": "ws://127.0.0.1:1/v1/audio-stream"}, []),
        ({"engine": "scripted"}, []),
    ],
)
def test_an_engine_that_a_tenant_names_and_nobody_runs_is_told_with_the_setting(
    tmp_path: Path, given: dict[str, Any], absent: list[str]
) -> None:
    (tmp_path / "shop").mkdir()
    config = "tenant_id: shop\nsystem_prompt: x\nengines: [personaplex, pcm_sidecar, cascade]\n"
    (tmp_path / "shop" / "config.yaml").write_text(config)
    settings = settings_of(tmp_path, tenants_dir=tmp_path, **given)
    told = absent_engines(tmp_path / "shop", settings)
    assert [line.split("process of ")[1].split(" ")[0] for line in told] == absent
    assert all("_WS_URL" in line for line in told)
    assert [line for line in check_tenant(tmp_path / "shop", settings) if "engines" in line] == [f"config.yaml {line}" for line in told]
