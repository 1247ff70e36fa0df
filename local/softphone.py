"""A caller made of WAV files or typed lines: dials a call, speaks when the agent has finished, keeps what it heard."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from local.caller_timeline import HeardAudio, SpokenAudio
from local.wav import read_wav, write_wav
from media_plane.audio import EAR_RATE_HZ, FRAME_MS, AudioFrame, bytes_for_ms, silence
from media_plane.transports import messages as wire
from nexus.clock import Clock
from nexus.errors import ProtocolViolation, UpstreamError

_FRAME_BYTES = bytes_for_ms(FRAME_MS, EAR_RATE_HZ)
_PLAYED_EVERY_MS = 160.0
_SILENCE = silence(FRAME_MS, EAR_RATE_HZ).pcm


@dataclass(frozen=True, slots=True)
class Script:
    """What the caller says, one piece each time the agent has finished: ``wavs`` first, then ``typed`` lines."""

    wavs: tuple[Path, ...] = ()
    typed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the caller waits. All of it is call time: with a faster clock it passes faster."""

    greeting_ms: float = 5_000.0
    answer_ms: float = 30_000.0
    pause_ms: float = 400.0
    hang_up_ms: float = 5_000.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the transcript, as it stood at the end."""

    role: str
    text: str
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class TurnTiming:
    """``said`` names the WAV or is the typed line; ``response_ms`` is from the end of the caller's voice to the first agent audio
    at the caller's side, None when none came."""

    said: str
    voice_end_ms: float
    response_ms: float | None


@dataclass(frozen=True, slots=True)
class CallReport:
    """What the caller experienced."""

    call_id: str
    end_reason: str
    duration_ms: float
    lines: tuple[Line, ...] = ()
    tools: tuple[str, ...] = ()
    turns: tuple[TurnTiming, ...] = ()
    modes: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    heard_ms: float = 0.0


@dataclass(slots=True)
class _Ledger:
    """What has come in so far: written by the listener, read by the speaker."""

    started: wire.SessionStarted | None = None
    end_reason: str = ""
    state: str = ""
    activity: int = 0
    last_event_ms: float = 0.0
    open_item: str = ""
    open_line: str = ""
    """The agent's line that is not final: its words are told before its audio begins."""
    last_item: str = ""
    lines: dict[str, Line] = field(default_factory=dict)
    tools: list[str] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class SoftPhone:
    """One caller. ``call`` may be used once; ``heard`` and ``spoken`` are the audio of both sides afterwards."""

    def __init__(self, url: str, ticket: str, *, clock: Clock | None = None, patience: Patience | None = None) -> None:
        self._url = url
        self._ticket = ticket
        self._clock = clock or Clock()
        self._patience = patience or Patience()
        self._ledger = _Ledger()
        self._start_ms = 0.0
        self.heard = HeardAudio(EAR_RATE_HZ)
        self.spoken = SpokenAudio(EAR_RATE_HZ)

    async def call(self, script: Script) -> CallReport:
        """Dial, speak the script, hang up.

        Raises:
            ConfigurationError: ``setting_invalid``: a WAV cannot be read (found before dialling).
            UpstreamError: ``engine_unreachable``: nobody answers at the URL, or the ticket is refused.
        """
        pieces = deque([*((path.name, read_wav(path, EAR_RATE_HZ)) for path in script.wavs), *((text, None) for text in script.typed)])
        async with self._dialled() as connection:
            self._start_ms = self._clock.monotonic_ms()
            await connection.send(wire.write(wire.SessionStart()))
            async with asyncio.TaskGroup() as tasks:
                listener = tasks.create_task(self._listen(connection))
                microphone = tasks.create_task(self._stream(connection))
                turns = tasks.create_task(self._speak(connection, pieces))
                await listener
                microphone.cancel()
                turns.cancel()
        return self._report()

    def write_heard(self, path: Path, *, stereo: bool = False) -> None:
        """Write what the caller heard, on the call's own time line; with ``stereo`` the caller left and the agent right."""
        agent = self.heard.rendered()
        write_wav(path, (self.spoken.rendered(), agent) if stereo else (agent,), EAR_RATE_HZ)

    @asynccontextmanager
    async def _dialled(self) -> AsyncIterator[ClientConnection]:
        subprotocols = [Subprotocol(wire.PROTOCOL), Subprotocol(f"token.{self._ticket}")]
        try:
            connection = await connect(self._url, subprotocols=subprotocols, max_size=None, compression=None, open_timeout=10, proxy=None)
        except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
            raise UpstreamError(
                "engine_unreachable",
                f"The call could not be opened ({error}); check that `nexus run` is running and that the ticket is fresh.",
            ) from error
        try:
            yield connection
        finally:
            await connection.close()

    def _now_ms(self) -> float:
        return self._clock.monotonic_ms() - self._start_ms

    # --- listening ---------------------------------------------------------------------------------------------------------

    async def _listen(self, connection: ClientConnection) -> None:
        try:
            async for message in connection:
                at_ms = self._now_ms()
                if isinstance(message, bytes):
                    self.heard.append(self._ledger.open_item or self._ledger.last_item, message, at_ms)
                    self._ledger.last_event_ms = at_ms
                else:
                    self._note(message, at_ms)
        except ConnectionClosed:
            pass  # an abrupt end: the report then has no end reason of the server's
        self._ledger.end_reason = self._ledger.end_reason or f"closed_{connection.close_code}"

    def _note(self, text: str, at_ms: float) -> None:
        ledger = self._ledger
        try:
            message = wire.read_server_message(text)
        except ProtocolViolation as violation:
            ledger.errors.append(violation.code)
            return
        match message:
            case wire.SessionStarted():
                ledger.started = message
            case wire.State(state=state):
                ledger.state = state
                ledger.activity += state not in ("connecting", "listening")
            case wire.Transcript():
                ledger.lines[message.item_id] = Line(message.role, message.text, message.interrupted)
                if message.role == "agent":
                    ledger.activity += 1
                    ledger.open_line = "" if message.final else message.item_id
            case wire.AudioBegin(item_id=item_id):
                ledger.open_item = ledger.last_item = item_id
                ledger.activity += 1
            case wire.AudioEnd():
                ledger.open_item = ""
            case wire.AudioClear():
                ledger.open_item = ""
                self.heard.clear(at_ms)
            case _:
                self._note_rest(message)
        if not isinstance(message, wire.Pong | wire.Latency):
            ledger.last_event_ms = at_ms

    def _note_rest(self, message: wire.ServerMessage | None) -> None:
        match message:
            case wire.Tool(name=name, status=status) if status != "running":
                self._ledger.tools.append(f"{name}: {status}")
            case wire.ModeChanged(to=to, reason=reason):
                self._ledger.modes.append(f"{to}: {reason}")
            case wire.Error(code=code):
                self._ledger.errors.append(code)
            case wire.SessionEnded(end_reason=reason):
                self._ledger.end_reason = reason

    # --- speaking ----------------------------------------------------------------------------------------------------------

    async def _stream(self, connection: ClientConnection) -> None:
        """An open microphone: a frame every 20 ms for as long as the call lives, silence where nothing is said."""
        due_ms, told_ms = self._now_ms(), 0.0
        try:
            while True:
                if self._ledger.started is not None:
                    await connection.send(self.spoken.next_frame(_FRAME_BYTES, due_ms) or _SILENCE)
                if due_ms - told_ms >= _PLAYED_EVERY_MS:
                    told_ms = due_ms
                    await self._tell_played(connection, due_ms)
                due_ms += FRAME_MS
                await self._clock.sleep_ms(due_ms - self._now_ms())
        except ConnectionClosed:
            return

    async def _tell_played(self, connection: ClientConnection, at_ms: float) -> None:
        for item_id, played_ms in self.heard.newly_played(at_ms):
            await connection.send(wire.write(wire.AudioPlayed(item_id=item_id, played_ms=round(played_ms, 1))))

    async def _speak(self, connection: ClientConnection, pieces: deque[tuple[str, AudioFrame | None]]) -> None:
        try:
            await self._agent_finished(0, self._patience.greeting_ms)
            while pieces:
                await self._say(connection, *pieces.popleft())
            await connection.send(wire.write(wire.SessionEnd()))
            await self._clock.sleep_ms(self._patience.hang_up_ms)
        except ConnectionClosed:
            return
        await connection.close()  # the server did not hang up in time: the listener ends now

    async def _say(self, connection: ClientConnection, said: str, speech: AudioFrame | None) -> None:
        """Say or type one piece and hear the agent's answer out."""
        if speech is None:
            activity = self._ledger.activity
            self.spoken.mark(said, self._now_ms())
            await connection.send(wire.write(wire.InputText(text=said)))
        else:
            self.spoken.say(said, speech)
            while self.spoken.is_voiced(self._now_ms()):
                await self._clock.sleep_ms(FRAME_MS)
            activity = self._ledger.activity  # an answer to the first half of a sentence is not yet the answer
            while self.spoken.is_saying:
                await self._clock.sleep_ms(FRAME_MS)
        await self._agent_finished(activity, self._patience.answer_ms)

    async def _agent_finished(self, activity: int, patience_ms: float) -> None:
        """Wait until the agent has done something since ``activity``, is listening again and is no longer heard; or not at all."""
        since_ms = self._now_ms()
        while True:
            now_ms = self._now_ms()
            ledger = self._ledger
            acted = ledger.activity > activity
            silent_since_ms = max(self.heard.ends_ms, ledger.last_event_ms)
            busy = ledger.state not in ("listening", "") or ledger.open_item or ledger.open_line
            finished = not busy and now_ms >= silent_since_ms + self._patience.pause_ms
            if finished and (acted or now_ms - since_ms >= patience_ms):
                return
            if ledger.state == "connecting":
                since_ms = now_ms  # the server bounds that wait
            if now_ms - max(since_ms, silent_since_ms) >= patience_ms:
                return
            await self._clock.sleep_ms(FRAME_MS)

    def _report(self) -> CallReport:
        ledger = self._ledger
        turns = tuple(TurnTiming(mark.said, mark.voice_end_ms, self.heard.delay_after(mark.voice_end_ms)) for mark in self.spoken.marks)
        return CallReport(
            call_id=ledger.started.call_id if ledger.started else "",
            end_reason=ledger.end_reason,
            duration_ms=self._now_ms(),
            lines=tuple(ledger.lines.values()),
            tools=tuple(ledger.tools),
            turns=turns,
            modes=tuple(ledger.modes),
            errors=tuple(ledger.errors),
            heard_ms=self.heard.heard_ms,
        )
