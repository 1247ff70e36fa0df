"""New tenants from the template, and every fault of a tenant's folder."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from local.command import command
from local.doctor import absent_engines, config_faults
from media_plane.tooling.check import check_tenant_tools
from nexus.domain.config_check import warnings_of
from nexus.domain.config_file import parse_config
from nexus.domain.ids import check_tenant_id
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError, Conflict, NotFound
from nexus.settings.values import Settings

TEMPLATE = "_template"


def new_tenant(root: Path, tenant_id: str) -> Path:
    """Copy the template.

    Raises:
        RequestRejected: ``invalid_tenant_id``.
        Conflict: the folder is there.
        ConfigurationError: there is no template.
    """
    check_tenant_id(tenant_id)
    folder, template = root / tenant_id, root / TEMPLATE
    if folder.exists():
        raise Conflict("conflict", f"{folder} exists already; choose another id.")
    if not template.is_dir():
        raise ConfigurationError("setting_invalid", f"There is no template in {template}; set TENANTS_DIR to the project's tenants folder.")
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns("__pycache__"))
    config = folder / "config.yaml"
    lines = config.read_text(encoding="utf-8").splitlines(keepends=True)
    config.write_text("".join(f"tenant_id: {tenant_id}\n" if line.startswith("tenant_id:") else line for line in lines), encoding="utf-8")
    return folder


def tenant_folders(root: Path, tenant_id: str | None) -> list[Path]:
    """The named tenant's folder, or all. Raises NotFound ``tenant_not_found``, ConfigurationError where ``root`` is no folder."""
    if not root.is_dir():
        raise ConfigurationError("setting_invalid", f"TENANTS_DIR {root} is no folder; start in the project's folder, or set TENANTS_DIR.")
    if tenant_id is None:
        return sorted(path for path in root.iterdir() if path.name[:1] not in "_." and path.is_dir())
    folder = root / check_tenant_id(tenant_id)
    if not folder.is_dir():
        raise NotFound("tenant_not_found", f"There is no {folder}; make it with: {command()} tenant new {tenant_id}")
    return [folder]


def tenant_warnings(folder: Path) -> tuple[str, ...]:
    """What a sound ``config.yaml`` allows and probably does not mean; nothing where it has faults."""
    if config_faults(folder):
        return ()
    config = parse_config((folder / "config.yaml").read_text(encoding="utf-8"), folder=folder.name)
    return tuple(f"config.yaml {one.sentence}" for one in warnings_of(config))


def check_tenant(folder: Path, settings: Settings | None = None) -> tuple[str, ...]:
    """Faults of ``config.yaml`` (with ``settings`` also the engines that are not there), then of ``tools.py``."""
    faults = tuple(f"config.yaml {fault}" for fault in config_faults(folder))
    if faults:  # tools.py is looked at all the same, only not for what the configuration wants of it
        config = TenantConfig(tenant_id=folder.name, system_prompt="unread")
    else:
        config = parse_config((folder / "config.yaml").read_text(encoding="utf-8"), folder=folder.name)
        faults = () if settings is None else tuple(f"config.yaml {fault}" for fault in absent_engines(folder, settings))
    tools = folder / "tools.py"
    source = tools.read_text(encoding="utf-8", errors="replace") if tools.is_file() else ""
    return faults + tuple(f"tools.py {fault}" for fault in asyncio.run(check_tenant_tools(source, config)))
