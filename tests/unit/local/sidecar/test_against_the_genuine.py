"""The client halves of the recorded conversations, played to the double: what comes back has the genuine server's form, byte for byte
where the bytes do not depend on the model."""

from __future__ import annotations

from local.sidecar.options import Faults, SidecarOptions
from local.sidecar.server import Sidecar
from tests.fakes.personaplex_tape import Tape, page, tape
from tests.fakes.sidecar_client import Client, connected

_CODE_3 = 3


def _pieces(recorded: Tape) -> tuple[str, ...]:
    return tuple(message[1:].decode() for message in recorded.server if message[0] == 2)


async def _replay(client: Client, recorded: Tape) -> None:
    """Frame by frame, as the recording's client did: the next page follows the answer to the one before."""
    for message in recorded.client:
        await client.socket.send_bytes(message)


def _forms(messages: tuple[bytes, ...] | list[bytes]) -> list[object]:
    return [(1, page(message[1:]).granule, page(message[1:]).sequence) if message[0] == 1 else bytes(message) for message in messages]


async def test_ten_seconds_come_back_in_the_same_form() -> None:
    recorded = tape("echo-10s")
    options = SidecarOptions(mode="echo", setup_s=0.0, echo_pieces=_pieces(recorded))
    async with Sidecar(options) as sidecar, connected(sidecar.url) as client:
        await client.shake()
        await _replay(client, recorded)
        while len(client.received) < len(recorded.server):
            assert await client.message() is not None
        assert await client.hears_nothing()
        assert await client.close() == 1000
    assert client.received[:3] == list(recorded.server[:3]), "handshake, head and tags are byte-equal (1, 48 and 54 bytes)"
    assert [len(message) for message in client.received[:3]] == [1, 48, 54]
    assert _forms(client.received) == _forms(recorded.server), "kinds, order, texts, granule positions and page numbers"


async def test_every_page_is_built_alike() -> None:
    recorded = tape("echo-10s")
    async with Sidecar(SidecarOptions(mode="echo", setup_s=0.0)) as sidecar, connected(sidecar.url) as client:
        await client.shake()
        await _replay(client, recorded)
        ours = [page(data) for data in await client.pages(len(recorded.client) - 2)]
    theirs = [page(message[1:]) for message in recorded.server if message[0] == 1][2:]
    assert len(ours) == len(theirs)
    for mine, genuine in zip(ours, theirs, strict=True):
        assert (mine.flags, mine.serial, len(mine.packets)) == (genuine.flags, genuine.serial, len(genuine.packets)) == (0, 42, 1)
        assert mine.packets[0][0] & _CODE_3 == genuine.packets[0][0] & _CODE_3 == _CODE_3, "several Opus frames a packet"
        assert mine.packets[0][1] & 0x3F == genuine.packets[0][1] & 0x3F == 4, "four of 20 ms"


async def test_a_model_that_raises_ends_as_the_genuine_one_did() -> None:
    recorded = tape("model-exception")
    frames = sum(message[0] == 1 for message in recorded.server) - 2
    options = SidecarOptions(mode="echo", setup_s=0.0, echo_pieces=_pieces(recorded), faults=Faults(fail_after_frames=frames))
    async with Sidecar(options) as sidecar, connected(sidecar.url) as client:
        await client.shake()
        await _replay(client, recorded)
        assert await client.until_closed() == recorded.close_code == 1000
    assert _forms(client.received) == _forms(recorded.server)
