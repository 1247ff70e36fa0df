"""What a line gives arrives in order and ends once; what nobody takes is bounded, and words outlive audio."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.audio import AudioFrame, silence
from media_plane.engines.personaplex.delivery import ROOM, Delivery
from media_plane.ports.speech_line import LineEvent, LineLost, LineNotice, ModelAudio, ModelText

AUDIO = ModelAudio(silence(80, 24_000))
LOST = LineLost("engine_lost", "gone")


async def taken(delivery: Delivery) -> list[LineEvent]:
    return [event async for event in delivery.events()]


async def test_events_come_in_order_and_end_with_the_loss() -> None:
    delivery = Delivery()
    delivery.put(ModelText("a"))
    delivery.put(AUDIO)
    delivery.lose(LOST)
    delivery.put(ModelText("late"))
    delivery.lose(LineLost("engine_mute", "second"))
    assert await taken(delivery) == [ModelText("a"), AUDIO, LOST]
    assert await taken(delivery) == [], "asked again, it is over"


async def test_whoever_waits_is_woken_by_an_event_and_by_the_end() -> None:
    delivery = Delivery()
    reading = asyncio.create_task(taken(delivery))
    await asyncio.sleep(0)
    delivery.put(AUDIO)
    await asyncio.sleep(0)
    delivery.close()
    assert await reading == [AUDIO]


async def test_closing_drops_what_waits() -> None:
    delivery = Delivery()
    delivery.put(AUDIO)
    delivery.close()
    assert await taken(delivery) == []


@settings(deadline=None)
@given(st.lists(st.sampled_from("at"), min_size=1, max_size=40), st.integers(1, 40), st.booleans())
def test_memory_is_bounded_and_audio_is_dropped_but_never_a_word(pattern: list[str], times: int, lost: bool) -> None:
    kinds = pattern * times
    delivery = Delivery()
    for number, kind in enumerate(kinds):
        delivery.put(ModelText(f"{number} ") if kind == "t" else AUDIO)
        assert len(delivery._waiting) <= ROOM
    if lost:
        delivery.lose(LOST)
    else:
        delivery.put(LineNotice("audio_corrupt", ""))
        delivery.lose(LOST)
    events = asyncio.run(taken(delivery))
    words = "".join(event.text for event in events if isinstance(event, ModelText)).split()
    assert words == [str(number) for number, kind in enumerate(kinds) if kind == "t"]
    assert events[-1] == LOST
    audio_ms = sum(event.frame.duration_ms for event in events if isinstance(event, ModelAudio))
    assert audio_ms + delivery.dropped_ms == 80 * kinds.count("a")
    assert delivery.dropped_ms == 0 or len(kinds) >= ROOM - 2


async def test_of_audio_that_nobody_took_the_newest_is_there() -> None:
    delivery = Delivery()
    frames = [ModelAudio(AudioFrame(number.to_bytes(2, "little"), 24_000)) for number in range(ROOM + 7)]
    for frame in frames:
        delivery.put(frame)
    delivery.lose(LOST)
    assert (await taken(delivery))[:-1] == frames[8:]
