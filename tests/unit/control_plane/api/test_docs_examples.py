"""Every curl example of docs/api.md, run against the application: the comment under it says what must come back.

A block is played from top to bottom at one door. What a shell would do is done here: variables, and the two ways in which the examples fill
them (a field of the answer by ``jq``, a header by ``-w``).
"""

from __future__ import annotations

import re
import shlex
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from control_plane.services.leads import lead_id_of
from nexus.domain.session import RecordingTrace
from tests.fakes.control_plane import house, memory_stores

DOCS = Path(__file__).parents[4] / "docs" / "api.md"
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
EXPECTED = re.compile(r"# (?P<status>\d{3})(?: (?P<code>\w+))?(?:, (?P<header>[\w-]+): (?P<value>.+))?")
FROM_FIELD = re.compile(r"(?P<name>[A-Z_]+)=\$\((?P<command>curl .*) \| jq -r \.(?P<field>\w+)\)")
FROM_HEADER = re.compile(r"(?P<name>[A-Z_]+)=\$\((?P<command>curl .*-w '%header\{(?P<header>[\w-]+)\}'.*)\)")
VARIABLE = re.compile(r"\$([A-Z_]+)")


def blocks() -> list[list[str]]:
    return [block.strip().splitlines() for block in BLOCK.findall(DOCS.read_text()) if "curl " in block]


def request_of(command: str, variables: dict[str, str]) -> httpx.Request:
    """The request that a curl command line makes."""
    # Split first, then filled in, as a shell does: the quotes in a value are part of it.
    words = [
        VARIABLE.sub(lambda found: variables[found[1]], word).replace("barber_shop_demo", "barber_shop")
        for word in shlex.split(command)[1:]
    ]
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
        elif word in ("-w", "-o"):
            words.pop(0)
        elif not word.startswith("-"):
            url = word
    return httpx.Request(method, url, headers=headers, content=body)


def test_every_request_has_its_answer_under_it() -> None:
    for lines in blocks():
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            if line.startswith("curl "):
                assert EXPECTED.fullmatch(following), f"no answer under: {line}"
            else:
                assert EXPECTED.fullmatch(line) or FROM_FIELD.fullmatch(line) or FROM_HEADER.fullmatch(line), line


@pytest.mark.parametrize("lines", blocks(), ids=lambda lines: lines[0][:60])
async def test_the_examples_answer_as_documented(lines: list[str]) -> None:
    door = house(memory_stores())
    await door.engine_slots(1)
    finished = await door.archived(0, recording=RecordingTrace(status="stored", media_type="audio/ogg", channels=2))
    await door.stores.recordings.put("barber_shop", finished.id, DOCS, delete_after=door.clock.now() + timedelta(days=1))
    variables = {"BASE": "http://localhost:8000", "CALL": finished.id, "LEAD": lead_id_of(finished.id)}
    async with door.client:
        for line in lines:
            if filled := FROM_FIELD.fullmatch(line) or FROM_HEADER.fullmatch(line):
                answer = await door.client.send(request_of(filled["command"], variables))
                assert answer.is_success, answer.text
                named = filled.groupdict()
                variables[filled["name"]] = answer.json()[named["field"]] if "field" in named else answer.headers[named["header"]]
            elif line.startswith("curl "):
                answer = await door.client.send(request_of(line, variables))
            elif expected := EXPECTED.fullmatch(line):
                assert answer.status_code == int(expected["status"]), (line, answer.text)
                assert not expected["code"] or answer.json()["code"] == expected["code"]
                assert not expected["header"] or answer.headers[expected["header"]] == expected["value"]
