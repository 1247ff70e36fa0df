"""A whole PCM sidecar without a model: it listens, and answers each of the caller's sentences with its echo or with a tone.

    python docs/examples/pcm_sidecar.py --port 9000 [--answer tone]

Put your model where ``Parrot`` stands. docs/pcm-sidecar.md is the contract. Needs only the ``websockets`` package.
"""

from __future__ import annotations

import argparse
import array
import asyncio
import json
import logging
import math
import signal
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

RATE_HZ = 16_000
FRAME_BYTES = 640  # 20 ms of PCM16 mono
PAUSE_FRAMES = 30  # so much quiet ends a sentence: 600 ms
BARGE_IN_FRAMES = 10  # so much speech stops an answer: 200 ms
LOUD = 500  # mean level of a frame that counts as speech, of 32767
LONGEST_BYTES = 10 * RATE_HZ * 2

log = logging.getLogger("pcm_sidecar")


def is_loud(frame: bytes) -> bool:
    samples = array.array("h", frame)  # little-endian machines only, as the contract's samples are
    return sum(map(abs, samples)) > LOUD * len(samples)


def tone(duration_s: float = 1.0, hz: float = 440.0) -> bytes:
    return array.array("h", (int(6000 * math.sin(2 * math.pi * hz * i / RATE_HZ)) for i in range(int(duration_s * RATE_HZ)))).tobytes()


@dataclass
class Parrot:
    """Stands for a model: a frame of the caller in, a frame of the agent and perhaps some events out."""

    answer: str
    heard: bytearray = field(default_factory=bytearray)  # the caller's sentence so far
    reply: bytearray = field(default_factory=bytearray)  # what is still to be said
    loud: int = 0
    quiet: int = 0

    def step(self, frame: bytes) -> tuple[list[dict[str, Any]], bytes]:
        events: list[dict[str, Any]] = []
        self.loud, self.quiet = (self.loud + 1, 0) if is_loud(frame) else (0, self.quiet + 1)
        if self.reply and self.loud >= BARGE_IN_FRAMES:  # the caller speaks over us: be quiet, and have the platform be quiet
            self.reply.clear()
            events.append({"type": "audio.clear"})
        if (self.loud or self.heard) and not self.reply and len(self.heard) < LONGEST_BYTES:
            self.heard += frame
        if self.heard and self.quiet >= PAUSE_FRAMES:
            events.append({"type": "transcript", "role": "agent", "text": self.words()})
            self.reply += self.heard if self.answer == "echo" else tone()
            self.heard.clear()
        out = bytes(self.reply[:FRAME_BYTES])
        del self.reply[:FRAME_BYTES]
        return events, out.ljust(FRAME_BYTES, b"\0")  # silence while there is nothing to say: the platform sees that we live

    def words(self) -> str:
        return f"You spoke for {len(self.heard) / RATE_HZ / 2 - PAUSE_FRAMES / 50:.1f} seconds. "


async def session(connection: ServerConnection, answer: str) -> None:
    """One call: session.start, session.ready, then a frame out for every frame in."""
    start = json.loads(await connection.recv())
    if start.get("type") != "session.start" or start.get("version") != 1:
        await connection.send(json.dumps({"type": "error", "code": "version", "message": "session.start of version 1 comes first"}))
        return
    log.info("call %s, session %s, %d facts", start["call_id"], start["generation"], len(start["facts"]))
    # Here a model is primed with start["system_prompt"], start["facts"] and start["history"].
    await connection.send(json.dumps({"type": "session.ready", "version": 1, "transcripts": False}))
    parrot, rest = Parrot(answer), b""
    async for message in connection:
        if isinstance(message, str):
            continue  # events of a later version
        rest += message
        while len(rest) >= FRAME_BYTES:
            frame, rest = rest[:FRAME_BYTES], rest[FRAME_BYTES:]
            events, audio = parrot.step(frame)
            for event in events:
                await connection.send(json.dumps(event))
            await connection.send(audio)


async def serve_call(connection: ServerConnection, answer: str) -> None:
    """One connection, whatever the other side does."""
    if connection.request is None or connection.request.path.partition("?")[0] != "/v1/audio-stream":
        await connection.close(1008, "the path is /v1/audio-stream")
        return
    try:
        await session(connection, answer)
    except ConnectionClosed:
        pass  # the platform may vanish at any moment
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("a client broke the contract: %r", error)
        await connection.close(1007, "not the contract of docs/pcm-sidecar.md")


async def run(port: int, answer: str) -> None:
    async with serve(lambda connection: serve_call(connection, answer), "127.0.0.1", port, compression=None) as server:
        log.info("listening at ws://127.0.0.1:%d/v1/audio-stream", next(iter(server.sockets)).getsockname()[1])
        for stop in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(stop, server.close)
        await server.wait_closed()
        log.info("stopped")


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("websockets").setLevel(logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=9000, help="0 takes a free one; the log names it")
    parser.add_argument("--answer", choices=("echo", "tone"), default="echo")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.port, arguments.answer))


if __name__ == "__main__":
    main()
