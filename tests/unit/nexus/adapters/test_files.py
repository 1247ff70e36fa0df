"""Files: private, atomic, whole after a crash, and honest about a full disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nexus.adapters.files import FileCallJournal, FileSessionArchive, FileTenantStore
from nexus.errors import ConfigurationError, NotFound, RequestRejected, Unavailable
from tests.fakes.stored import call_id, private, record, turn_noted

LEAST = "tenant_id: barber\nsystem_prompt: You are Yossi.\n"


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def test_everything_written_is_for_the_owner_only(tmp_path: Path) -> None:
    data = tmp_path / "data"
    await FileSessionArchive(data).put(record(), private())
    await FileCallJournal(data).append(call_id(1), (turn_noted(0, "a"),))
    files = [path for path in data.rglob("*") if path.is_file()]
    assert {path.relative_to(data).as_posix() for path in files} == {
        f"history/barber/{call_id(1)}.json",
        f"private/barber/{call_id(1)}.json",
        f"journal/{call_id(1)}.jsonl",
    }
    assert {_mode(path) for path in files} == {0o600}
    assert {_mode(path) for path in (data, *data.rglob("*")) if path.is_dir()} == {0o700}


async def test_a_write_that_died_half_way_is_invisible_and_can_be_repeated(tmp_path: Path) -> None:
    archive = FileSessionArchive(tmp_path)
    folder = tmp_path / "history" / "barber"
    folder.mkdir(parents=True)
    (folder / f".{call_id(1)}.json.123.tmp").write_text("{", encoding="utf-8")
    assert await archive.list_calls("barber") == ()
    await archive.put(record(), private())
    assert await archive.list_calls("barber") == (call_id(1),)


async def test_a_folder_that_cannot_be_written_is_named_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "history").write_text("a file where a folder should be", encoding="utf-8")
    (tmp_path / "journal").write_text("likewise", encoding="utf-8")
    for writing in (
        FileSessionArchive(tmp_path).put(record(), private()),
        FileCallJournal(tmp_path).append(call_id(1), (turn_noted(0, "a"),)),
    ):
        with pytest.raises(Unavailable) as refused:
            await writing
        assert refused.value.code == "store_unavailable"
        assert str(tmp_path) in refused.value.public_message
        assert "free disk space" in refused.value.public_message
        assert refused.value.retryable


FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from nexus.adapters.files import FileCallJournal, FileSessionArchive
from nexus.errors import Unavailable
from tests.fakes.stored import call_id, private, record, turn_noted
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
async def main(root):
    journal, archive = FileCallJournal(root), FileSessionArchive(root)
    refused = 0
    for i in range(8):
        try:
            await journal.append(call_id(1), (turn_noted(i, "x" * 40),))
        except Unavailable:
            refused += 1
    try:
        await archive.put(record(text="y" * 2000), private())
    except Unavailable:
        refused += 100
    sys.stdout.write(f"{refused} {len(await journal.read(call_id(1)))} {len(await archive.list_calls('barber'))}")
asyncio.run(main(Path(sys.argv[1])))
"""


def test_when_the_disk_is_full_what_was_said_is_kept(tmp_path: Path) -> None:
    """A file-size limit of the operating system stands for the full disk: writes fail part-way, as they do there."""
    out = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=Path(__file__).parents[4],
    )
    refused, kept, archived = map(int, out.stdout.split())
    assert refused > 100
    assert kept == 8 - (refused - 100)
    assert archived == 0
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("torn", ['{"kind":"tu', '{"kind":"turn","turn":{"i":9,"role":"cal', "ש"])
async def test_a_torn_line_is_left_out_and_swallows_nothing(tmp_path: Path, torn: str) -> None:
    journal = FileCallJournal(tmp_path)
    await journal.append(call_id(1), (turn_noted(0, "before"),))
    with (tmp_path / "journal" / f"{call_id(1)}.jsonl").open("ab") as file:
        file.write(torn.encode()[:-1])
    assert await journal.read(call_id(1)) == (turn_noted(0, "before"),)
    await journal.append(call_id(1), (turn_noted(1, "after"),))
    assert await journal.read(call_id(1)) == (turn_noted(0, "before"), turn_noted(1, "after"))


async def test_a_torn_journal_reads_as_a_prefix_wherever_it_was_cut(tmp_path: Path) -> None:
    journal = FileCallJournal(tmp_path)
    entries = tuple(turn_noted(i, "שלום") for i in range(3))
    await journal.append(call_id(1), entries)
    path = tmp_path / "journal" / f"{call_id(1)}.jsonl"
    whole = path.read_bytes()
    for size in range(0, len(whole) + 1, 7):
        path.write_bytes(whole[:size])
        read = await journal.read(call_id(1))
        assert read == entries[: len(read)]
        assert len(read) == whole[:size].count(b"\n")


@pytest.mark.parametrize("bad", ["../etc", "call_1", "", "call_" + "I" * 26])
async def test_ids_cannot_leave_their_folder(tmp_path: Path, bad: str) -> None:
    with pytest.raises(RequestRejected):
        await FileCallJournal(tmp_path).append(bad, ())
    with pytest.raises(RequestRejected):
        await FileSessionArchive(tmp_path).get("barber", bad)
    with pytest.raises(RequestRejected):
        await FileSessionArchive(tmp_path).list_calls("../barber")


def _tenant(root: Path, name: str, text: str = LEAST) -> Path:
    (root / name).mkdir(parents=True)
    (root / name / "config.yaml").write_text(text, encoding="utf-8")
    return root / name / "config.yaml"


async def test_templates_and_stray_files_are_no_tenants_and_broken_ones_are(tmp_path: Path) -> None:
    _tenant(tmp_path, "barber")
    _tenant(tmp_path, "broken", "tenant_id: [")
    _tenant(tmp_path, "_template")
    _tenant(tmp_path, ".hidden")
    (tmp_path / "README.md").write_text("x", encoding="utf-8")
    assert await FileTenantStore(tmp_path).list_ids() == ("barber", "broken")


async def test_a_broken_tenant_tells_its_faults_each_time_and_heals_when_mended(tmp_path: Path) -> None:
    path = _tenant(tmp_path, "barber", "tenant_id: barber\n")
    store = FileTenantStore(tmp_path)
    for _ in range(2):
        with pytest.raises(ConfigurationError) as refused:
            await store.get("barber")
        assert "system_prompt" in refused.value.faults[0]
    path.write_text(LEAST, encoding="utf-8")
    assert (await store.get("barber")).system_prompt == "You are Yossi."


async def test_a_file_that_is_no_text_is_a_fault_and_not_a_crash(tmp_path: Path) -> None:
    _tenant(tmp_path, "barber").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError) as refused:
        await FileTenantStore(tmp_path).get("barber")
    assert "UTF-8" in refused.value.faults[0]


async def test_links_out_of_the_root_are_not_followed(tmp_path: Path) -> None:
    _tenant(tmp_path / "outside", "barber")
    root = tmp_path / "tenants"
    root.mkdir()
    (root / "barber").symlink_to(tmp_path / "outside" / "barber")
    (root / "pizza").mkdir()
    (root / "pizza" / "config.yaml").symlink_to(tmp_path / "outside" / "barber" / "config.yaml")
    for tenant_id in ("barber", "pizza"):
        with pytest.raises(NotFound):
            await FileTenantStore(root).get(tenant_id)


@pytest.mark.parametrize("bad", ["..", "../barber", "barber/../barber", "_template", "/etc", "admin", "", "a\x00b"])
async def test_ids_that_are_no_slugs_are_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(RequestRejected) as refused:
        await FileTenantStore(tmp_path).get(bad)
    assert refused.value.code == "invalid_tenant_id"


async def test_a_missing_tenants_folder_is_a_setting_to_mend(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await FileTenantStore(tmp_path / "none").list_ids()
    assert "TENANTS_DIR" in refused.value.public_message
