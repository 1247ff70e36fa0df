"""The way out of a line: in order, bounded, ending."""

from __future__ import annotations

from media_plane.audio import silence
from media_plane.engines.duplex.mailbox import Mailbox
from media_plane.ports.speech_line import LineEvent, LineLost, ModelAudio, ModelText

AUDIO = ModelAudio(silence(80, 24_000))


async def everything(mailbox: Mailbox) -> list[LineEvent]:
    return [event async for event in mailbox.events()]


async def test_in_order_until_the_last_word() -> None:
    mailbox = Mailbox()
    mailbox.put(ModelText("a"))
    mailbox.put(AUDIO)
    mailbox.end(LineLost("engine_lost", "gone"))
    mailbox.put(ModelText("too late"))
    mailbox.end(LineLost("engine_lost", "again"))
    assert await everything(mailbox) == [ModelText("a"), AUDIO, LineLost("engine_lost", "gone")]
    assert await everything(mailbox) == []


async def test_when_nobody_takes_them_the_oldest_audio_goes_and_no_word() -> None:
    mailbox = Mailbox()
    mailbox.put(ModelText("first"))
    for number in range(600):
        mailbox.put(ModelAudio(silence(number % 50 + 1, 24_000)))
    mailbox.put(ModelText("last"))
    mailbox.end()
    taken = await everything(mailbox)
    assert len(taken) == 512
    assert (taken[0], taken[-1]) == (ModelText("first"), ModelText("last"))
    assert taken[-2] == ModelAudio(silence(599 % 50 + 1, 24_000))


async def test_words_alone_are_bounded_too() -> None:
    mailbox = Mailbox()
    for number in range(600):
        mailbox.put(ModelText(str(number)))
    mailbox.end()
    taken = await everything(mailbox)
    assert (len(taken), taken[-1]) == (512, ModelText("599"))
