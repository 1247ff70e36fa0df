"""How a ticket is offered and what is answered."""

from __future__ import annotations

import pytest

from media_plane.transports.handshake import chosen_subprotocol, offered_subprotocols, offered_ticket


@pytest.mark.parametrize(
    ("subprotocols", "authorization", "ticket"),
    [
        (("nexus.v1", "token.a.b.c"), "", "a.b.c"),
        (("token.a.b.c", "nexus.v1"), "", "a.b.c"),
        ((), "Bearer a.b.c", "a.b.c"),
        ((), "bearer   a.b.c ", "a.b.c"),
        (("nexus.v1", "token.x"), "Bearer a.b.c", "a.b.c"),
        (("nexus.v1", "token.x"), "Basic abc", "x"),
        (("nexus.v1",), "", ""),
        (("nexus.v1", "token."), "Bearer ", ""),
        ((), "", ""),
    ],
)
def test_a_ticket_comes_by_header_or_subprotocol(subprotocols: tuple[str, ...], authorization: str, ticket: str) -> None:
    assert offered_ticket(subprotocols, authorization) == ticket


def test_only_our_protocol_is_ever_answered() -> None:
    assert chosen_subprotocol(("token.a", "nexus.v1")) == "nexus.v1"
    assert chosen_subprotocol(("token.a",)) is None
    assert chosen_subprotocol(()) is None


def test_several_headers_are_one_list() -> None:
    assert offered_subprotocols(["nexus.v1, token.a", " x ,", ""]) == ("nexus.v1", "token.a", "x")
