"""One session at a time, silence in the queue, and the prompts that leak to whoever waits."""

from __future__ import annotations

import asyncio

from local.sidecar.model import SharedModel
from local.sidecar.options import SidecarOptions
from local.sidecar.server import Sidecar
from tests.fakes.sidecar_client import connected, talking

SILENT = SidecarOptions(mode="silent", setup_s=0.03)


def _query(prompt: str, voice: str) -> dict[str, str]:
    return {"text_prompt": prompt, "voice_prompt": voice}


async def test_who_comes_second_is_upgraded_and_waits_without_a_word_or_a_pong() -> None:
    async with Sidecar(SILENT) as sidecar, talking(sidecar.url) as first:
        async with connected(sidecar.url) as second:
            assert not await second.ping()
            assert await first.ping(), "who has the lock is answered"
            await first.speak()
            await first.pages(1)
            await first.close()
            await second.shake()
        assert sidecar.most_open == 2
        assert sidecar.sessions[1].queued_ms > 100


async def test_two_that_queue_both_run_with_the_last_ones_prompt_and_voice() -> None:
    async with Sidecar(SILENT) as sidecar, talking(sidecar.url, _query("ALPHA", "NATF0.pt")) as first:
        async with (
            connected(sidecar.url, _query("BRAVO", "NATF1.pt")) as second,
            connected(sidecar.url, _query("CHARLIE", "VARM4.pt")) as third,
        ):
            await first.close()
            await second.shake()
            await second.close()
            await third.shake()
        used = [(session.used_prompt, session.used_voice, session.leaked) for session in sidecar.sessions]
        assert used == [("ALPHA", "NATF0.pt", False), ("CHARLIE", "VARM4.pt", True), ("CHARLIE", "VARM4.pt", False)]


async def test_who_connects_in_anothers_set_up_replaces_its_prompt() -> None:
    async with Sidecar(SidecarOptions(mode="silent", setup_s=0.2)) as sidecar:
        async with connected(sidecar.url, _query("ALPHA", "NATF0.pt")) as first, connected(sidecar.url, _query("BRAVO", "NATF0.pt")):
            await first.shake()
        assert (sidecar.sessions[0].asked_prompt, sidecar.sessions[0].used_prompt) == ("ALPHA", "BRAVO")
        assert sidecar.sessions[0].leaked


async def test_even_a_request_that_fails_leaks() -> None:
    async with Sidecar(SILENT) as sidecar, talking(sidecar.url, _query("ALPHA", "NATF0.pt")) as first:
        async with connected(sidecar.url, _query("BRAVO", "NATF1.pt")) as second:
            async with connected(sidecar.url, {**_query("CHARLIE", "VARM4.pt"), "seed": "1"}) as third:
                assert await third.until_closed() == 1006
            await first.close()
            await second.shake()
        assert sidecar.sessions[1].used_prompt == "CHARLIE"


async def test_one_after_the_other_nothing_leaks() -> None:
    async with Sidecar(SILENT) as sidecar:
        for prompt in ("ALPHA", "BRAVO"):
            async with talking(sidecar.url, _query(prompt, "NATF0.pt")) as client:
                await client.close()
            await sidecar.idle()
        assert [session.used_prompt for session in sidecar.sessions] == ["ALPHA", "BRAVO"]
        assert not any(session.leaked for session in sidecar.sessions)
        assert sidecar.most_open == 1


async def test_a_queued_client_that_closes_is_answered_only_when_its_turn_comes() -> None:
    async with Sidecar(SILENT) as sidecar, talking(sidecar.url) as first:
        async with connected(sidecar.url) as second:
            closing = asyncio.create_task(second.close())
            done, _ = await asyncio.wait({closing}, timeout=0.1)
            assert not done
            await first.close()
            await closing
        await sidecar.idle()
        assert sidecar.sessions[1].ended == "closed"
        assert sidecar.sessions[1].handshake_at_ms is None


async def test_a_client_that_sends_nothing_keeps_the_lock() -> None:
    async with Sidecar(SILENT) as sidecar, connected(sidecar.url) as first:
        await first.shake()
        async with connected(sidecar.url) as second:
            assert await second.hears_nothing(0.3)
            assert sidecar.busy


async def test_a_reset_frees_the_lock_at_once() -> None:
    async with Sidecar(SILENT) as sidecar, talking(sidecar.url) as first:
        first.socket._writer.transport.abort()
        async with talking(sidecar.url):
            assert sidecar.sessions[0].ended == "closed"


def test_the_shared_model_keeps_what_was_written_before_the_fault() -> None:
    model = SharedModel(voice="NATF0.pt", prompt="<system> ALPHA <system>")
    assert not model.load({"voice_prompt": "BAD.pt", "text_prompt": "BRAVO"})
    assert (model.voice, model.prompt) == ("NATF0.pt", "<system> ALPHA <system>")
    assert not model.load({"voice_prompt": "NATF1.pt"})
    assert (model.voice, model.prompt) == ("NATF1.pt", "<system> ALPHA <system>")
    assert model.load({"voice_prompt": "NATF1.pt", "text_prompt": " <system> BRAVO <system>"})
    assert model.prompt == "<system> BRAVO <system>"
