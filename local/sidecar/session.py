"""One session on the double's wire: set-up, handshake, then one page out for each 80 ms in.

**Source:** NVIDIA/personaplex moshi/moshi/server.py (the order of things) and measurements on that module; kinds of messages: kyutai-labs
rust/protocol.md.
"""

from __future__ import annotations

import asyncio
import logging
import socket as sockets
import struct
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import numpy as np
import sphn
from aiohttp import ClientError, WSMsgType, web

from local.sidecar.dump import Ended, Samples, SessionDump, keep
from local.sidecar.mind import Mind
from local.sidecar.model import SharedModel, bare, wrapped
from local.sidecar.options import FRAME_SAMPLES, SAMPLE_RATE_HZ, SidecarOptions
from nexus.clock import Clock

HANDSHAKE, AUDIO, TEXT = b"\x00", b"\x01", b"\x02"
_ENDING = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
_GLANCE_S = 0.01
_QUICK_POLLS, _POLLS = 20, 120
_IGNORED_KEPT = 1000
_log = logging.getLogger(__name__)


class Wire:
    """The client's socket."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self._socket = socket
        self._transport = transport

    async def alive(self) -> bool:
        """Look for 10 ms whether the client went; what it sends meanwhile is lost, as in the genuine set-up."""
        try:
            async with asyncio.timeout(_GLANCE_S):
                return (await self._socket.receive()).type not in _ENDING
        except TimeoutError:
            return True

    async def receive(self) -> bytes | str | None:
        """The next message; None when the client went."""
        message = await self._socket.receive()
        if message.type in _ENDING:
            return None
        data: bytes | str = message.data
        return data

    async def send(self, message: bytes) -> None:
        """Send one binary message; into a closed connection, nothing happens."""
        try:
            await self._socket.send_bytes(message)
        except (ClientError, ConnectionError):
            _log.debug("the client is gone; %s bytes not sent", len(message))

    async def close(self) -> None:
        """Close as the genuine server does: with 1000, whatever happened."""
        await self._socket.close()

    def drop(self, *, reset: bool) -> None:
        """Cut the connection without a closing handshake, with a TCP reset or without."""
        if self._transport.is_closing():
            return
        if not reset:
            self._transport.close()
            return
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def stop_reading(self) -> None:
        """Leave what comes in the kernel's buffers."""
        self._transport.pause_reading()


@dataclass(frozen=True, slots=True)
class Parts:
    """What a session works with."""

    options: SidecarOptions
    model: SharedModel
    mind: Mind
    dump: SessionDump
    clock: Clock


class Session:
    """Runs while it holds the server's lock."""

    def __init__(self, wire: Wire, parts: Parts) -> None:
        self._wire = wire
        self._parts = parts
        self._faults = parts.options.faults
        self._dump = parts.dump
        self._clock = parts.clock
        # Made by each session anew, as in the genuine server: a stream's headers are sent, and expected, once.
        self._writer = sphn.OpusStreamWriter(SAMPLE_RATE_HZ)
        self._reader = sphn.OpusStreamReader(SAMPLE_RATE_HZ)
        self._arrived = asyncio.Event()

    async def run(self) -> Ended:
        """From the lock to the end. Cancellation: the connection is left as it is."""
        self._dump.used_voice = self._parts.model.voice
        if not await self._set_up():
            return "closed"
        prompt = self._parts.model.prompt
        if prompt is None:  # an empty one crashes the genuine server when it comes to the text
            self._wire.drop(reset=False)
            return "refused"
        asked = self._dump.asked_prompt
        self._dump.used_prompt = asked if prompt == wrapped(asked) else bare(prompt)
        self._dump.handshake_at_ms = self._clock.monotonic_ms()
        await self._wire.send(HANDSHAKE)
        ended = await _first(self._think(), self._read(), self._parts.mind.live())
        self._dump.ended = ended  # known before the client can hear of it
        if ended != "dropped":
            await self._wire.close()
        return ended

    async def _set_up(self) -> bool:
        """Whether the client is still there when the model is primed. Everything it sent until then is thrown away."""
        end_ms = self._clock.monotonic_ms() + self._parts.options.setup_s * 1000
        async with asyncio.TaskGroup() as group:
            preparing = group.create_task(self._parts.mind.prepare())
            while self._faults.never_handshake or not preparing.done() or self._clock.monotonic_ms() < end_ms:
                if not await self._wire.alive():
                    preparing.cancel()
                    return False
        return await self._wire.alive()

    async def _read(self) -> Ended:
        while True:
            message = await self._wire.receive()
            if _reached(self._faults.half_open_after_frames, self._dump.frames_in):
                await asyncio.Event().wait()
            if message is None:
                return "closed"
            if isinstance(message, bytes) and message[:1] == AUDIO:
                try:
                    self._reader.append_bytes(message[1:])
                except (ValueError, RuntimeError, OSError):  # sphn's reader thread is gone
                    return "deaf"
                self._arrived.set()
            else:
                self._ignore(message)

    def _ignore(self, message: bytes | str) -> None:
        kind = message[0] if isinstance(message, bytes) and message else -1
        _log.debug("a message of kind %s is ignored", kind)
        if len(self._dump.ignored) < _IGNORED_KEPT:
            self._dump.ignored.append(kind)

    async def _think(self) -> Ended:
        for _ in range(2):
            await self._wire.send(AUDIO + bytes(self._writer.read_bytes()))
        heard: Samples = np.zeros(0, dtype=np.float32)
        while True:
            pcm = await self._decoded()
            if pcm is None:
                return "deaf"
            heard = np.concatenate((heard, pcm))
            while len(heard) >= FRAME_SAMPLES:
                frame, heard = heard[:FRAME_SAMPLES], heard[FRAME_SAMPLES:]
                ended = await self._step(frame)
                if ended is not None:
                    return ended

    async def _decoded(self) -> Samples | None:
        """Caller audio as it is decoded by sphn's thread, which has no other way to tell than being asked; None when it died."""
        polls = 0
        while True:
            pcm: Samples | None = self._reader.read_pcm()
            if pcm is None or len(pcm):
                return pcm
            if self._arrived.is_set():
                self._arrived.clear()
                polls = 0
            if polls >= _POLLS:
                await self._arrived.wait()
            await asyncio.sleep(0.001 if polls < _QUICK_POLLS else 0.01)
            polls += 1

    async def _step(self, frame: Samples) -> Ended | None:
        """One step of the model; how the session ended when it did."""
        done = self._dump.frames_in
        if _reached(self._faults.fail_after_frames, done):
            return "failed"
        if _reached(self._faults.drop_after_frames, done):
            self._wire.drop(reset=True)
            return "dropped"
        if _reached(self._faults.half_open_after_frames, done):
            self._wire.stop_reading()
            await asyncio.Event().wait()
        if _reached(self._faults.hang_after_frames, done):
            await asyncio.Event().wait()
        if self._faults.slow_ms:
            await self._clock.sleep_ms(self._faults.slow_ms)
        self._dump.frames_in += 1
        keep(self._dump.heard, frame, self._parts.options.keep_s)
        step = self._parts.mind.step(frame)
        if not self._faults.mute:
            await self._say(step.sound, step.piece)
        return None

    async def _say(self, sound: Samples, piece: str) -> None:
        if piece:
            self._dump.text += piece
            await self._wire.send(TEXT + piece.encode())
        self._writer.append_pcm(np.ascontiguousarray(sound, dtype=np.float32))
        page = bytearray(self._writer.read_bytes())
        self._dump.frames_out += 1
        keep(self._dump.said, sound, self._parts.options.keep_s)
        if self._faults.corrupt_page == self._dump.frames_out:
            page[-1] ^= 0xFF
        await self._wire.send(AUDIO + bytes(page))


def _reached(limit: int | None, frames: int) -> bool:
    return limit is not None and frames >= limit


async def _first(*works: Coroutine[Any, Any, Ended | None]) -> Ended:
    """Run them side by side until one ends (of several, the first named counts); the others are cancelled. How it ended."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    first = next(task for task in tasks if task in done)
    error = first.exception()
    if error is not None:
        # A supervised border: the genuine server too swallows what its model raises and closes with 1000.
        _log.error("the double's session failed", exc_info=error)
        return "failed"
    return first.result() or "failed"
