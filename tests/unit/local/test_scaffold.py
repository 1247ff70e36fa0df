"""New tenants and their faults, and the command as hints print it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local.cli import main
from local.command import command
from local.scaffold import check_tenant, new_tenant, tenant_folders, tenant_warnings
from nexus.errors import Conflict, NotFound, RequestRejected

TENANTS = Path(__file__).parents[3] / "tenants"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    template = tmp_path / "_template"
    template.mkdir()
    for name in ("config.yaml", "tools.py"):
        (template / name).write_text((TENANTS / "_template" / name).read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def test_a_new_tenant_has_no_fault(root: Path) -> None:
    assert check_tenant(new_tenant(root, "my_shop")) == ()


def test_an_id_is_taken_once_and_must_be_one(root: Path) -> None:
    new_tenant(root, "my_shop")
    with pytest.raises(Conflict):
        new_tenant(root, "my_shop")
    with pytest.raises(RequestRejected):
        new_tenant(root, "My Shop")
    with pytest.raises(NotFound, match="tenant new nobody"):
        tenant_folders(root, "nobody")


def test_faults_of_both_files_are_named_at_once_with_their_lines(root: Path) -> None:
    folder = new_tenant(root, "my_shop")
    (folder / "config.yaml").write_text("tenant_id: other\nsystem_prompt: x\n")
    (folder / "tools.py").write_text("import os\n")
    faults = check_tenant(folder)
    assert [fault.split(":")[0] for fault in faults] == ["config.yaml line 1", "tools.py line 1"]


def test_what_is_allowed_and_probably_not_meant_is_told_and_is_no_fault(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = new_tenant(root, "my_shop")
    assert tenant_warnings(folder) == ()
    (folder / "config.yaml").write_text("tenant_id: my_shop\nsystem_prompt: x\nrecording: {enabled: true}\n")
    (told,) = tenant_warnings(folder)
    assert told.startswith("config.yaml recording.consent_line: is empty although recording is enabled")
    assert check_tenant(folder) == ()
    monkeypatch.setenv("TENANTS_DIR", str(root))
    assert main(["tenant", "check", "my_shop"]) == 0
    assert "✓ my_shop\n    ! config.yaml recording.consent_line: is empty" in capsys.readouterr().out
    (folder / "config.yaml").write_text("tenant_id: other\nsystem_prompt: x\nrecording: {enabled: true}\n")
    assert tenant_warnings(folder) == ()


def test_hints_name_the_command_as_it_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    (project / ".venv" / "bin").mkdir(parents=True)
    (project / ".venv" / "bin" / "nexus").touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(project / ".venv" / "bin" / "python"))
    monkeypatch.chdir(project)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert command() == ".venv/bin/nexus"
    monkeypatch.setenv("PATH", str(project / ".venv" / "bin"))
    assert command() == "nexus"
