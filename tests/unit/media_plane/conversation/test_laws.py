"""What holds in every call, whatever happens in it: the machine in a small random world."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.conversation import commands as do
from media_plane.conversation import events as ev
from media_plane.conversation.machine import CallLimits, Conversation
from media_plane.conversation.recorder import fold, record
from nexus.domain import journal, session
from nexus.domain.archive import decode_record, encode_record
from nexus.domain.call import EndReason
from tests.unit.media_plane.conversation.timeline import TEXT, VOICE, tenant, tone

WORDS = ("Are you open?", "yeah", "", "My number is 555 010 0123.", "Stop. I want to cancel, please.")
CONFIGS = (
    tenant(),
    tenant(first_speaker="caller", barge_in={"greeting_interruptible": False}),
    tenant(phrases={"filler": [], "no_input": []}, recording={"enabled": True, "consent_line": "Recorded."}),
)
OWN_TURNS = ev.EngineReady("duplex", voice=True, own_turns=True)
PHONE = "555 010 0123"
BEGAN = datetime(2026, 11, 21, 12, tzinfo=UTC)
ACTIONS = [
    "text",
    "audio",
    "audio",
    "item_ended",
    "begin",
    "heard",
    "finished",
    "barge_in",
    "speech",
    "transcript",
    "partial",
    "speech",
    "says",
    "utters",
    "utters",
    "rotated",
    "typed",
    "tool",
    "tool_done",
    "tick",
    "tick",
    "wait",
    "engine",
    "hang_up",
    "flush",
    "notice",
    "failed",
    "leave",
    "order",
]


class World:
    """Engine, playout, caller and tools as a call may meet them; ``choice`` picks among what is possible."""

    def __init__(self, which: int) -> None:
        self.machine = Conversation(CONFIGS[which % len(CONFIGS)], CallLimits(max_duration_ms=120_000))
        self.now = 0.0
        self.log: list[do.Command] = []
        self.open_item, self.items, self.requests = "", 0, 0
        self.playing: dict[str, float] = {}
        self.started: set[str] = set()
        self.ended: set[str] = set()
        self.running: list[str] = []
        self.barred: set[str] = set()
        self.engine = VOICE
        self.silent = True
        self.voice_ends: set[float] = set()
        self.live: set[str] = set()
        self.given_since_asked = True
        self.given_ms = -1.0
        self.asked_about_ms = 0.0
        self.asked_at: dict[str, tuple[float, str] | None] = {}

    def feed(self, event: ev.Event) -> None:
        match event:
            case ev.EngineReady():
                self.engine = event
            case ev.CallerSpeech():
                self.silent = event.kind in ("paused", "ended")
                self.voice_ends.add(round(event.voice_end_ms, 1))
            case ev.CallerTyped():
                self.silent = True
                self.voice_ends.add(round(self.now, 1))
        for command in self.machine.handle(self.now, event):
            self.take(command)

    def take(self, command: do.Command) -> None:
        self.log.append(command)
        match command:
            case do.Play(item_id, frame):
                assert item_id not in self.barred, "audio of a stopped item"
                self.playing[item_id] = self.playing.get(item_id, 0.0) + frame.duration_ms
            case do.EndItem(item_id):
                self.ended.add(item_id)
            case do.RunTool(request_id):
                self.running.append(request_id)
            case do.StopPlayout():
                self.stop()
            case do.SendToEngine(do.CallerTurn(typed=typed)):
                self.given_since_asked = not typed and (self.given_ms >= self.asked_about_ms or bool(self.playing))
            case do.TellTranscript(role="agent", final=False) | do.Play():
                self.given_since_asked, self.given_ms = True, self.now
            case do.TellLatency() if self.engine.own_turns:
                assert self.silent, "a latency was told while the caller speaks"
            case do.AbandonEngine() if self.engine.own_turns:
                assert not self.given_since_asked, "an engine was called mute that has given something since it was asked"

    def stop(self) -> None:
        if not self.playing:
            return
        item_id, length_ms = next(iter(self.playing.items()))
        self.barred |= set(self.playing)
        self.playing.clear()
        self.feed(ev.PlayoutStopped(item_id, length_ms / 2 if item_id in self.started else 0.0))

    def act(self, action: str, choice: int, dt_ms: int) -> None:
        self.now += dt_ms
        event = getattr(self, f"_{action}")(choice)
        if event is not None:
            self.feed(event)

    def end(self) -> list[do.Command]:
        self.feed(ev.AudioCounted(session.AudioFacts(in_ms=self.now), slot_ms=self.now * 2))
        last = self.machine.finish(self.now)
        for command in last:
            self.take(command)
        return last

    def all_notes(self) -> list[journal.JournalEntry]:
        return [command.entry for command in self.log if isinstance(command, do.Note)]

    # --- engine ---

    def _item(self, choice: int) -> str:
        if not self.open_item or choice == 0:
            self.items += 1
            self.open_item = f"e1-{self.items}"
        return self.open_item

    def _text(self, choice: int) -> ev.Event:
        item_id = self._item(choice)
        if choice == 0 and self.engine.own_turns:
            self.live.add(item_id)
        live = item_id in self.live
        return ev.AgentText(item_id, f"{'By itself' if live else 'Well'}, {WORDS[choice]} That is it.", live=live)

    def _audio(self, choice: int) -> ev.Event:
        return ev.AgentAudio(self._item(choice), tone(100 + 400 * choice))

    def _says(self, choice: int) -> ev.Event | None:
        """An answer that begins at once."""
        self.feed(self._text(choice))
        self.feed(self._audio(choice))
        return self._begin(choice)

    def _item_ended(self, _: int) -> ev.Event | None:
        item, self.open_item = self.open_item, ""
        return ev.AgentItemEnded(item) if item else None

    def _engine(self, choice: int) -> ev.Event:
        self.open_item = ""
        return (VOICE, TEXT, VOICE, OWN_TURNS, TEXT)[choice]

    def _rotated(self, choice: int) -> ev.Event:
        return ev.EngineRotated(choice + 2, 40.0 * choice, "window")

    def _flush(self, _: int) -> ev.Event:
        return ev.EngineFlush()

    def _notice(self, _: int) -> ev.Event:
        return ev.EngineNotice("speech_failed", "stt", f"Not understood: {PHONE}")

    def _failed(self, _: int) -> ev.Event:
        return ev.EngineFailed("engine_lost", "Gone.")

    def _hang_up(self, choice: int) -> ev.Event | None:
        return ev.HangUpRequested() if choice == 0 else None

    # --- playout: one item after another, its beginning, its middle and its end once each ---

    def _begin(self, _: int) -> ev.Event | None:
        item = next(iter(self.playing), "")
        if not item or item in self.started:
            return None
        self.started.add(item)
        return ev.PlayoutStarted(item)

    def _heard(self, choice: int) -> ev.Event | None:
        item = next(iter(self.playing), "")
        return ev.Heard(item, self.playing[item] * choice / 5) if item in self.started else None

    def _finished(self, _: int) -> ev.Event | None:
        item = next(iter(self.playing), "")
        if item not in self.started or item not in self.ended:
            return None
        return ev.PlayoutFinished(item, self.playing.pop(item))

    # --- caller ---

    def _speech(self, choice: int) -> ev.Event:
        kind = ("started", "paused", "resumed", "ended", "ended")[choice]
        return ev.CallerSpeech(kind, max(0.0, self.now - 900), self.now if kind != "started" else 0.0)  # type: ignore[arg-type]

    def _barge_in(self, _: int) -> ev.Event:
        return ev.BargeInDetected(max(0.0, self.now - 120))

    def _utters(self, choice: int) -> ev.Event:
        """A voice for a second, or for half of it and on."""
        self.feed(ev.CallerSpeech("started", self.now))
        self.now += 1_200
        pause = ev.CallerSpeech("paused", self.now - 1_200, self.now - 200)
        if choice < 3:
            return pause
        self.feed(pause)
        return ev.CallerSpeech("resumed", self.now - 1_200)

    def _transcript(self, choice: int) -> ev.Event:
        self.asked_about_ms = max(0.0, self.now - 300)
        return ev.CallerTranscript(WORDS[choice], True, max(0.0, self.now - 900), max(0.0, self.now - 300), 0.8)

    def _partial(self, choice: int) -> ev.Event:
        return ev.CallerTranscript(WORDS[choice], False)

    def _typed(self, choice: int) -> ev.Event:
        return ev.CallerTyped(WORDS[choice] or "Hi")

    def _leave(self, choice: int) -> ev.Event | None:
        return ev.CallerLeft(("hangup", "lost", "idle", "protocol", "hangup")[choice]) if choice == 4 else None

    def _order(self, choice: int) -> ev.Event | None:
        return ev.EndOrdered(EndReason.TENANT_ENDED) if choice == 3 else None

    # --- tools and time ---

    def _tool(self, choice: int) -> ev.Event:
        self.requests += 1
        asked = [note.turn for note in self.all_notes() if isinstance(note, journal.TurnNoted)]
        asked = [turn for turn in asked if turn.role == "caller" and not turn.backchannel]
        self.asked_at[f"tool_{self.requests}"] = (asked[-1].start_ms, asked[-1].text) if asked else None
        return ev.ToolRequested(f"r{self.requests}", "book_slot", {"phone": PHONE, "n": choice})

    def _tool_done(self, choice: int) -> ev.Event | None:
        if not self.running:
            return None
        request = self.running.pop(choice % len(self.running))
        status = ("done", "failed", "unknown", "replayed", "done")[choice]
        return ev.ToolFinished(request, f"f-{request}", status, f"Call {PHONE}.", ends_call=choice == 4)  # type: ignore[arg-type]

    def _tick(self, _: int) -> ev.Event:
        return ev.Tick()

    def _wait(self, choice: int) -> ev.Event:
        self.now += 4_000 * choice
        return ev.Tick()


STEPS = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 4), st.integers(0, 900)), min_size=10, max_size=90)


def lived(which: int, steps: list[tuple[str, int, int]], first: ev.EngineReady = VOICE) -> tuple[World, list[do.Command]]:
    world = World(which)
    world.feed(first)
    for action, choice, dt_ms in steps:
        world.act(action, choice, dt_ms)
    return world, world.end()


def keeps_the_end(world: World, last: list[do.Command]) -> None:
    ends = [index for index, command in enumerate(world.log) if isinstance(command, do.EndCall)]
    assert len(ends) <= 1
    if ends:
        after = world.log[ends[0] + 1 :]
        forbidden = do.EndCall | do.Play | do.RunTool | do.StopPlayout | do.TellState | do.TellMode | do.AbandonEngine
        assert not any(isinstance(command, forbidden) for command in after)
    notes = world.all_notes()
    assert sum(isinstance(note, journal.Ended) for note in notes) == 1
    assert isinstance(last[-1], do.Note)
    assert isinstance(last[-1].entry, journal.Ended)
    assert last[-1].entry.reason == (world.machine.end_reason or EndReason.INTERNAL_ERROR)


def keeps_the_turns(world: World) -> None:
    turns = [note.turn for note in world.all_notes() if isinstance(note, journal.TurnNoted)]
    assert sorted({turn.i for turn in turns}) == list(range(len(world.machine.turns)))
    assert [turn.i for turn in world.machine.turns] == list(range(len(world.machine.turns)))
    for turn in turns:
        heard, said = turn.heard_text.split(), turn.text.split()
        assert heard == said[: len(heard)]
        assert turn.end_ms >= turn.start_ms >= 0
        assert turn.interrupted or turn.role == "agent" or heard == said
    for i in {turn.i for turn in turns}:
        assert len({turn.role for turn in turns if turn.i == i}) == 1


def keeps_the_answers(world: World) -> None:
    """Every engine is asked everything that takes the floor, once; a latency begins where a voice fell silent, and each is told once."""
    asked = [command.value for command in world.log if isinstance(command, do.SendToEngine)]
    turns = [note.turn for note in world.all_notes() if isinstance(note, journal.TurnNoted) and note.turn.role == "caller"]
    spoken = [turn.text for turn in turns if not turn.backchannel and not turn.typed]
    assert [value.text for value in asked if isinstance(value, do.CallerTurn) and not value.typed] == spoken
    assert not any("By itself" in value.text for value in asked if isinstance(value, do.Say)), "a model's own words were said again"
    timed = [turn for turn in world.machine.turns if turn.stages is not None]
    for turn in timed:
        stages = turn.stages
        assert stages is not None
        parts = stages.model_dump(exclude={"e2e"})
        assert abs(sum(parts.values()) - stages.e2e) < 0.5
        if turn.text.startswith("By itself"):
            assert {name for name, length_ms in parts.items() if length_ms} <= {"first_sentence", "transport"}
            assert stages.e2e <= 5_000
        assert any(abs(turn.start_ms - stages.e2e - end) < 0.5 for end in world.voice_ends)
    told = [command for command in world.log if isinstance(command, do.TellLatency)]
    assert len(timed) <= len(told) <= len(world.voice_ends)


def keeps_the_tools(world: World) -> None:
    uses = [note.use for note in world.all_notes() if isinstance(note, journal.ToolNoted)]
    begun = [use.request_id for use in uses if use.status == "running"]
    ended = [use.request_id for use in uses if use.status != "running"]
    assert sorted(begun) == sorted(ended)
    assert len(set(ended)) == len(ended) == sum(isinstance(command, do.RunTool) for command in world.log)


def keeps_the_audio_marks(world: World) -> None:
    """An item begins once, ends or is cleared once, and what was cleared never ends."""
    told = [(command.what, command.item_id) for command in world.log if isinstance(command, do.TellAudio)]
    assert max(Counter(told).values(), default=0) <= 1
    for what, item_id in told:
        if what == "end":
            assert told.index(("begin", item_id)) < told.index(("end", item_id))
            assert ("clear", item_id) not in told
        if what == "begin" and ("clear", item_id) in told:
            assert told.index(("begin", item_id)) < told.index(("clear", item_id))


def keeps_the_record(world: World) -> None:
    opened = journal.Opened(
        call_id="call_01K9XFT7G10000000000000000",
        tenant_id="shop",
        config_hash="sha256:0",
        engine="cascade",
        created_at=BEGAN,
        connected_at=BEGAN,
        caller_phone="+15550100123",
    )
    folded = fold([opened, *world.all_notes()])
    assert folded is not None
    public, private = record(folded, ended_at=BEGAN + timedelta(milliseconds=world.now))
    assert decode_record(encode_record(public)) == public
    assert PHONE not in public.model_dump_json()
    assert len(public.turns) == len(private.turns) == len(world.machine.turns)
    assert all(use.status != "running" for use in public.tools)
    assert [turn.i for turn in public.turns] == list(range(len(public.turns)))
    assert [turn.start_ms for turn in public.turns] == sorted(turn.start_ms for turn in public.turns)
    assert [event.timestamp for event in public.transcript] == sorted(event.timestamp for event in public.transcript)
    for use in private.tools:
        asked = world.asked_at[use.request_id]
        if asked is not None:
            assert (private.turns[use.turn].start_ms, private.turns[use.turn].text) == asked
    assert [one.generation for one in public.engine_rotations] == [
        note.rotation.generation for note in world.all_notes() if isinstance(note, journal.RotationNoted)
    ]
    assert public.slot_ms == round(world.now * 2, 1)
    assert public.transcript[0].type == "connection_established"
    assert public.transcript[-1].type == "session_ended"


@settings(max_examples=400, deadline=None)
@given(which=st.integers(0, 2), steps=STEPS, first=st.sampled_from([VOICE, OWN_TURNS]))
def test_every_call_keeps_the_laws(which: int, steps: list[tuple[str, int, int]], first: ev.EngineReady) -> None:
    world, last = lived(which, steps, first)
    keeps_the_end(world, last)
    keeps_the_turns(world)
    keeps_the_answers(world)
    keeps_the_tools(world)
    keeps_the_audio_marks(world)
    keeps_the_record(world)


@settings(max_examples=60, deadline=None)
@given(which=st.integers(0, 2), steps=STEPS)
def test_the_same_events_give_the_same_commands(which: int, steps: list[tuple[str, int, int]]) -> None:
    assert lived(which, steps)[0].log == lived(which, steps)[0].log
