"""Every curl example of docs/api.md, run against the application: the comment under it says what must come back."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import httpx
import pytest

from tests.fakes.control_plane import house, memory_stores

DOCS = Path(__file__).parents[4] / "docs" / "api.md"
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
EXAMPLE = re.compile(r"^(curl .*)\n# (\d{3})(?: (\w+))?$", re.MULTILINE)


def examples() -> list[tuple[str, int, str]]:
    blocks = BLOCK.findall(DOCS.read_text())
    found = [(command, int(status), code) for block in blocks for command, status, code in EXAMPLE.findall(block)]
    assert len(found) == sum(block.count("curl ") for block in blocks), "an example has no expected answer under it"
    return found


def request_of(command: str) -> httpx.Request:
    """The request that a curl command line makes."""
    words = shlex.split(command.replace("$BASE", "http://localhost:8000").replace("barber_shop_demo", "barber_shop"))[1:]
    method, headers, body, url = "GET", {}, None, ""
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = words.pop(0)
        elif not word.startswith("-"):
            url = word
    return httpx.Request(method, url, headers=headers, content=body)


@pytest.mark.parametrize(("command", "status", "code"), examples())
async def test_the_example_answers_as_documented(command: str, status: int, code: str) -> None:
    door = house(memory_stores())
    await door.engine_slots(1)
    async with door.client:
        answer = await door.client.send(request_of(command))
    assert answer.status_code == status, answer.text
    if code:
        assert answer.json()["code"] == code
