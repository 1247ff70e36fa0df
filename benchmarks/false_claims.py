"""What becomes of a model's false confirmations: stopped, corrected, and how fast, in calls against doubles that claim without end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Literal

from benchmarks.caller import Caller, calling, frames, repeated
from benchmarks.doubles import address, doubles
from benchmarks.figures import Figure, percentile
from benchmarks.processes import load
from benchmarks.served import MODEL_TENANTS, ROOT, Product, product
from benchmarks.tap import BINARY, Link, Tap, messages, newest_link, tapped
from media_plane.audio import EAR_RATE_HZ, FRAME_MS, silence
from media_plane.engines.duplex.corrections import CORRECTION

_SENTENCES = ROOT / "tests" / "golden" / "claims" / "held_out.txt"
_CALLS = 4
_EACH = 8
_EVERY_S = 8.0
_LEAD_S = 6.0
_GREETING = "Hello there, how can I help you today?"
_TEXT = 2
_APART_MS = 1_500.0
_AFTER_MS = 4_000.0


@dataclass(frozen=True, slots=True)
class Sentence:
    """What the model said, by the text pieces on the wire."""

    text: str
    begin_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Times count from the model's last piece of text; negative: before it."""

    text: str
    what: Literal["corrected", "let through", "never heard"]
    stopped_ms: float = 0.0
    corrected_ms: float = 0.0


async def measure() -> list[Figure]:
    """Every second sentence of the held-out list, in calls of tenants without tools: there each of them is false."""
    claims = [line[2:] for line in _SENTENCES.read_text(encoding="utf-8").splitlines() if line.startswith("+ ")][::2][: _CALLS * _EACH]
    async with AsyncExitStack() as stack:
        taps = []
        for number in range(_CALLS):
            says = [_GREETING, *claims[number::_CALLS]]
            (port,) = await stack.enter_async_context(doubles(1, setup_s=0.5, says=says))
            taps.append(await stack.enter_async_context(tapped(port)))
        urls = ",".join(address(tap.port) for tap in taps)
        settings = {"PERSONAPLEX_WS_URL": urls, "PERSONAPLEX_SPARES": "0"}
        server = await stack.enter_async_context(product("personaplex", _CALLS, settings=settings))
        pairs = await _listen(server, taps)
    return [_figure([outcome for caller, link in pairs for outcome in outcomes([*sentences(link)][1:], caller)])]


async def _listen(server: Product, taps: Sequence[Tap]) -> list[tuple[Caller, Link]]:
    """Silent callers who hear all of it."""
    seen = [0] * len(taps)
    pieces = int((_LEAD_S + (_EACH + 1) * _EVERY_S) * 1000 / FRAME_MS)
    quiet = frames(silence(FRAME_MS, EAR_RATE_HZ).pcm)
    async with AsyncExitStack() as stack:
        pairs = []
        for tenant_id in MODEL_TENANTS[:_CALLS]:
            caller = await stack.enter_async_context(calling(server.api, tenant_id))
            pairs.append((caller, await newest_link(taps, seen)))
        await asyncio.gather(*(caller.stream(repeated((), quiet, pieces), float(FRAME_MS)) for caller, _ in pairs))
        return pairs


def sentences(link: Link) -> Iterator[Sentence]:
    """The model's text pieces, joined where less than 1.5 s lie between."""
    pieces = [each for each in messages(link.from_model) if each.kind == BINARY and each.payload[:1] == bytes((_TEXT,))]
    current: list[tuple[float, str]] = []
    for piece in pieces:
        if current and piece.at_ms - current[-1][0] > _APART_MS:
            yield _joined(current)
            current = []
        current.append((piece.at_ms, piece.payload[1:].decode("utf-8", "replace")))
    if current:
        yield _joined(current)


def _joined(pieces: Sequence[tuple[float, str]]) -> Sentence:
    return Sentence("".join(text for _, text in pieces).strip(), pieces[0][0], pieces[-1][0])


def outcomes(said: Sequence[Sentence], caller: Caller) -> Iterator[Outcome]:
    """What the caller heard of each sentence, and after it."""
    for sentence in said:
        told = [(at_ms, text) for at_ms, text in caller.words if sentence.begin_ms <= at_ms <= sentence.end_ms + _AFTER_MS]
        corrected = [at_ms for at_ms, text in told if text.startswith(CORRECTION[:20])]
        stopped_ms = caller.first_after("audio.clear", sentence.begin_ms)
        if corrected and stopped_ms is not None:
            begun_ms = caller.first_after("audio.begin", stopped_ms) or corrected[0]
            spoken_ms = caller.first_audio_after(begun_ms) or corrected[0]
            yield Outcome(sentence.text, "corrected", stopped_ms - sentence.end_ms, spoken_ms - sentence.end_ms)
        else:
            yield Outcome(sentence.text, "let through" if told else "never heard")


def _figure(found: Sequence[Outcome]) -> Figure:
    corrected = [each for each in found if each.what == "corrected"]
    missed = [each.text for each in found if each.what == "let through"]
    rows: list[tuple[str, ...]] = [("sentences that claim what was not done", str(len(found)))]
    rows += [(f"of them {what}", str(sum(each.what == what for each in found))) for what in ("corrected", "let through", "never heard")]
    for name, values in (
        ("the model is silenced, ms after its last word", [each.stopped_ms for each in corrected]),
        ("our voice corrects, ms after its last word", [each.corrected_ms for each in corrected]),
        ("our voice corrects, ms after the silencing", [each.corrected_ms - each.stopped_ms for each in corrected]),
    ):
        rows.append((name + ", p50 / max", f"{percentile(values, 0.5):.0f} / {max(values):.0f}" if values else "-"))
    notes = (*(f"Let through: “{text}”" for text in missed), f"{_CALLS} calls at once; {load()}.")
    return Figure("false_claims", "False confirmations", ("what", "value"), tuple(rows), notes)
