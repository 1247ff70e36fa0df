"""``nexus knowledge`` against the served product."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local.knowledge_commands import CONTENT_TYPES
from nexus.domain.document_text import CONTENT_TYPES as KNOWN
from tests.unit.local.test_app import BARBER
from tests.unit.local.test_setup_commands import Nexus, nexus, served

__all__ = ("nexus", "served")


def test_every_kind_of_text_has_an_ending() -> None:
    assert set(CONTENT_TYPES.values()) == set(KNOWN)


async def test_a_document_is_added_listed_and_removed_by_name_or_id(nexus: Nexus, tmp_path: Path) -> None:
    assert "no document yet" in (await nexus("knowledge", "list", BARBER))[1]
    file = tmp_path / "parking.md"
    file.write_text("\ufeff# Parking\n\nFree [behind] the shop.", encoding="utf-8")
    code, told = await nexus("knowledge", "add", BARBER, file)
    assert code == 0 and "parking is known to calls from now on (doc_" in told
    code, told = await nexus("knowledge", "add", BARBER, file, "--name", "Parking [again]")
    assert code == 0
    document = told.split("(")[1].split(")")[0]
    code, told = await nexus("knowledge", "list", BARBER)
    assert code == 0 and "Parking [again]" in told and document in told and told.count("ready") == 2
    assert (await nexus("knowledge", "remove", BARBER, "parking"))[0] == 0
    assert (await nexus("knowledge", "remove", BARBER, document))[0] == 0
    code, told = await nexus("knowledge", "remove", BARBER, "parking")
    assert code == 1 and "knowledge_not_found" in told


async def test_what_cannot_be_read_says_so(nexus: Nexus, tmp_path: Path) -> None:
    broken = tmp_path / "prices.JSON"
    broken.write_text('{"haircut": ')
    code, told = await nexus("knowledge", "add", BARBER, broken)
    assert code == 1 and "✗ prices" in told and "doc_" in told
    assert "failed" in (await nexus("knowledge", "list", BARBER))[1]
    code, told = await nexus("knowledge", "add", BARBER, broken)
    assert code == 1 and "knowledge_exists" in told and "--replace" in told


async def test_a_document_of_that_name_is_replaced_where_one_asks_for_it(nexus: Nexus, tmp_path: Path) -> None:
    file = tmp_path / "parking.txt"
    file.write_text("Park behind\0the shop.")
    code, told = await nexus("knowledge", "add", BARBER, file, "--replace")
    assert code == 1 and "NUL" in told
    document = told.split("(")[1].split(")")[0]
    file.write_text("Park behind the shop.")
    code, told = await nexus("knowledge", "add", BARBER, file, "--replace")
    assert code == 0 and f"known to calls from now on ({document})" in told
    assert (await nexus("knowledge", "list", BARBER))[1].count("doc_") == 1


async def test_a_pipe_is_not_waited_for(nexus: Nexus, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    code, told = await nexus("knowledge", "add", BARBER, pipe)
    assert code == 1 and "is no file" in told


@pytest.mark.parametrize(("name", "held"), [("flyer.pdf", b"%PDF"), ("flyer", b"text"), ("latin.txt", b"caf\xe9"), ("missing.md", None)])
async def test_a_file_that_is_no_text_is_refused_before_anything_is_sent(
    nexus: Nexus, tmp_path: Path, name: str, held: bytes | None
) -> None:
    if held is not None:
        (tmp_path / name).write_bytes(held)
    code, told = await nexus("knowledge", "add", BARBER, tmp_path / name)
    assert code == 1 and "invalid_request" in told
    assert "no document yet" in (await nexus("knowledge", "list", BARBER))[1]
