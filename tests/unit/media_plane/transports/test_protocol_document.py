"""docs/protocol.md and the code say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from media_plane.transports import messages as wire
from media_plane.transports.negotiation import INPUT_RATES_HZ, OUTPUT_RATES_HZ
from nexus.errors import CLOSE_CODE

TEXT = (Path(__file__).parents[4] / "docs" / "protocol.md").read_text()


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> dict[str, str]:
    """First cell to the whole row, without the header."""
    found = re.findall(r"^\| *`?([^|`]+?)`? *\|(.*)$", section(title), re.MULTILINE)
    return {first: rest for first, rest in found if not first.startswith("---")}


def models(union: object) -> dict[str, type]:
    return {member.model_fields["type"].default: member for member in get_args(get_args(union)[0])}


@pytest.mark.parametrize(("title", "union"), [("Client to server", wire.ClientMessage), ("Server to client", wire.ServerMessage)])
def test_every_message_type_and_field_is_documented(title: str, union: object) -> None:
    documented = rows(title)
    documented.pop("type")
    spoken = models(union)
    assert documented.keys() == spoken.keys()
    for kind, model in spoken.items():
        for name in model.model_fields.keys() - {"type", "seq"}:  # type: ignore[attr-defined]
            assert re.search(rf"\b{name}\b", documented[kind]), f"{kind}.{name} is not documented"


def test_the_server_answers_unknown_types_with_the_whole_list() -> None:
    assert set(wire.CLIENT_TYPES) == models(wire.ClientMessage).keys()


def test_every_close_code_is_documented_with_its_error_codes() -> None:
    documented = rows("Close codes")
    documented.pop("code")
    assert {int(code) for code in documented} == {1000, 1011, *CLOSE_CODE.values()}
    by_document = {error: int(code) for code, row in documented.items() for error in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert by_document == dict(CLOSE_CODE)


def test_every_codec_is_documented_with_its_rates() -> None:
    documented = rows("Audio")
    documented.pop("codec")
    assert documented.keys() == INPUT_RATES_HZ.keys()
    for codec, row in documented.items():
        taken, sent = ({int(rate) for rate in re.findall(r"\d{4,5}", cell)} for cell in row.split("|")[:2])
        assert taken == set(INPUT_RATES_HZ[codec])  # type: ignore[index]
        assert sent == set(OUTPUT_RATES_HZ.get(codec, ()))  # type: ignore[call-overload]


def test_the_limits_in_the_document_are_those_in_force() -> None:
    assert f"{wire.MAX_MESSAGE_BYTES} bytes" in TEXT
    assert f"1 to {wire.MAX_TEXT_CHARS} characters" in TEXT
