"""``nexus secret``, ``tenant export|import`` and ``config canary|promote|abort`` against the served product."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import yaml

from local.cli import main
from local.serve import serving
from tests.unit.local.test_app import BARBER, settings_of

Nexus = Callable[..., "asyncio.Future[tuple[int, str]]"]
SECRET = "sk-live-0123456789"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[str]:
    async with serving(settings_of(tmp_path)) as base:
        yield base


@pytest.fixture
def nexus(served: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Nexus:
    """Runs a command with something on standard input; its exit code, and all it said."""

    async def run(*words: object, typed: str = "") -> tuple[int, str]:
        capsys.readouterr()
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        code = await asyncio.to_thread(main, [*(str(word) for word in words), "--url", served])
        told = capsys.readouterr()
        return code, told.out + told.err

    return run  # type: ignore[return-value]


async def test_a_secret_is_written_listed_and_deleted_and_its_value_never_shown(nexus: Nexus) -> None:
    assert "no secret yet" in (await nexus("secret", "list", BARBER))[1]
    code, told = await nexus("secret", "set", BARBER, "CRM_TOKEN", typed=f"{SECRET}\n")
    assert code == 0 and "6789" in told and SECRET not in told
    code, told = await nexus("secret", "list", BARBER)
    assert code == 0 and "CRM_TOKEN" in told and "6789" in told and SECRET not in told
    assert (await nexus("secret", "delete", BARBER, "CRM_TOKEN"))[0] == 0
    code, told = await nexus("secret", "delete", BARBER, "CRM_TOKEN")
    assert code == 1 and "secret_not_found" in told
    code, told = await nexus("secret", "set", BARBER, "CRM_TOKEN", typed="short\n")
    assert code == 1 and "short" not in told.replace("shorter", "")


async def test_a_value_is_no_argument(nexus: Nexus) -> None:
    with pytest.raises(SystemExit) as ended:
        await nexus("secret", "set", BARBER, "CRM_TOKEN", SECRET)
    assert ended.value.code == 2


async def test_a_tenant_goes_out_and_in(nexus: Nexus, tmp_path: Path) -> None:
    await nexus("secret", "set", BARBER, "CRM_TOKEN", typed=SECRET)
    file = tmp_path / "shop.json"
    code, told = await nexus("tenant", "export", BARBER, "--out", file)
    assert code == 0 and "1 secret(s)" in told and SECRET not in file.read_text("utf-8")
    code, told = await nexus("tenant", "export", BARBER)
    assert code == 0 and json.loads(told)["tenant_id"] == BARBER
    code, told = await nexus("tenant", "import", "second_shop", file)
    assert code == 0 and "second_shop is made" in told and "nexus secret set second_shop CRM_TOKEN" in told
    code, told = await nexus("tenant", "import", "second_shop", file)
    assert code == 1 and "tenant_exists" in told
    faulty = json.loads(file.read_text("utf-8"))
    faulty["versions"][0]["config"] |= {"greting": "Hi", "timezone": "Mars"}
    file.write_text(json.dumps(faulty), "utf-8")
    code, told = await nexus("tenant", "import", "third_shop", file)
    assert code == 1 and "greting" in told.replace("\n", " ") and "Mars" in told
    file.write_text("[", "utf-8")
    code, told = await nexus("tenant", "import", "third_shop", file)
    assert code == 1 and "shop.json" in told


async def test_a_draft_is_tried_on_a_part_of_new_calls(nexus: Nexus, tmp_path: Path) -> None:
    file = tmp_path / "barber.yaml"
    file.write_text(yaml.safe_dump({"system_prompt": "Be kind."}), "utf-8")
    assert (await nexus("config", "push", BARBER, file))[0] == 0
    code, told = await nexus("config", "canary", BARBER, "--percent", 10, "--note", "kinder")
    assert code == 0 and "10 % of new calls get version 1" in told
    code, told = await nexus("config", "canary", BARBER, "--percent", 50, "--version", 1)
    assert code == 0 and "50 %" in told
    assert "1        canary" in (await nexus("config", "versions", BARBER))[1]
    assert "version 0 again" in (await nexus("config", "abort", BARBER))[1]
    await nexus("config", "canary", BARBER, "--percent", 5, "--version", 1)
    assert "version 1 is active" in (await nexus("config", "promote", BARBER))[1]
    code, told = await nexus("config", "promote", BARBER)
    assert code == 1 and "canary_state" in told
