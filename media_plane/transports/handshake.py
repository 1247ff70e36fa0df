"""How a client offers its ticket in the WebSocket handshake, and what it is answered. Tickets are never read from the URL."""

from __future__ import annotations

from collections.abc import Iterable

from media_plane.transports.messages import PROTOCOL

_TICKET_PREFIX = "token."


def offered_subprotocols(header_values: Iterable[str]) -> tuple[str, ...]:
    """The items of all ``Sec-WebSocket-Protocol`` headers. **Source:** RFC 6455 section 11.3.4."""
    return tuple(item.strip() for value in header_values for item in value.split(",") if item.strip())


def offered_ticket(subprotocols: Iterable[str], authorization: str = "") -> str:
    """The ticket of ``Authorization: Bearer`` or of the subprotocol ``token.<ticket>`` (browsers can set no header); empty without."""
    scheme, _, credential = authorization.strip().partition(" ")
    if scheme.lower() == "bearer" and credential.strip():
        return credential.strip()
    for item in subprotocols:
        if item.startswith(_TICKET_PREFIX):
            return item.removeprefix(_TICKET_PREFIX)
    return ""


def chosen_subprotocol(subprotocols: Iterable[str]) -> str | None:
    """``nexus.v1`` where the client offers it; never the ticket."""
    return PROTOCOL if PROTOCOL in tuple(subprotocols) else None
