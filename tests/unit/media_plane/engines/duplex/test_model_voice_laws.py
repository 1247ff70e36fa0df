"""Laws of the model's voice, whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.conversation.events import AgentAudio, AgentItemEnded, AgentText
from tests.unit.media_plane.engines.duplex.talking import FRAME_MS, SPEECH, Stage, audio_ms, claims_of, items_of, led

STEPS = st.lists(
    st.one_of(
        st.sampled_from(["talk", "quiet", "word", "full stop", "claim"]),
        st.sampled_from(["own", "own ends", "tool", "tool done", "turn", "words", "pass", "called off"]),
        st.sampled_from(["caller", "caller pauses", "caller words", "caller noise", "interrupt", "interrupt old", "void", "corrected"]),
    ),
    max_size=80,
)


@dataclass(slots=True)
class Play:
    """Plays steps as the engine does, and checks after each that nothing was heard that must not be."""

    stage: Stage = field(default_factory=led)
    waiting: list[str] = field(default_factory=list)
    sounding: list[str] = field(default_factory=list)
    owns: int = 0
    open_claims: int = 0
    heard_while_own: float = 0.0

    def step(self, name: str) -> None:
        stage, before = self.stage, len(self.stage.outs)
        own = bool(self.sounding) or stage.floor.own_speaks(stage.now_ms)
        self._do(name)
        new = stage.outs[before:]
        if own and stage.floor.own_speaks(stage.now_ms):
            assert audio_ms(new) == 0
        for claim in claims_of(new):
            assert new[-1] is claim, "nothing is heard after a claim"
            stage.floor.claim_met()
            self.open_claims += 1
        self._grant()

    def _do(self, name: str) -> None:
        stage, now_ms = self.stage, self.stage.now_ms
        match name:
            case "talk":
                stage.talk(FRAME_MS * 3)
            case "quiet":
                stage.quiet(FRAME_MS * 4)
            case "word" | "full stop" | "claim":
                stage.take(stage.model.text(now_ms, {"word": " word", "full stop": " end.", "claim": " booked"}[name]))
            case "own" | "own ends" | "corrected":
                self._own(name)
            case "void":
                stage.take(stage.model.void(now_ms))
            case "interrupt" | "interrupt old":
                items = items_of(stage.outs) or ["m1"]
                stage.model.interrupted(now_ms, items[-1 if name == "interrupt" else 0])
            case _:
                self._agent_or_caller(name)
        stage.take(stage.model.tick(now_ms))

    def _own(self, name: str) -> None:
        if name == "own":
            self.owns += 1
            self.waiting.append(f"a{self.owns}")
            self.stage.floor.own_wants()
        elif name == "own ends" and self.sounding:
            self.stage.floor.own_ended(self.sounding.pop(0))
        elif name == "corrected" and self.open_claims:
            self.open_claims -= 1
            self.stage.floor.claim_met_with()

    def _agent_or_caller(self, name: str) -> None:
        floor, model, now_ms = self.stage.floor, self.stage.model, self.stage.now_ms
        if name in ("tool", "words", "pass", "called off"):
            floor.answer_begins()
        match name:
            case "tool":
                floor.tool_wanted("t")
                self.stage.take(model.cut(now_ms))
            case "words":
                floor.agent_speaks()
                model.forget_held(now_ms)
                floor.answer_ends(called_off=False)
            case "pass" | "called off":
                floor.answer_ends(called_off=name == "called off")
            case "tool done":
                floor.tool_done("t")
            case "turn":
                floor.turn()
            case "caller":
                model.caller_begins(now_ms)
            case "caller pauses":
                model.caller_pauses()
            case "caller words" | "caller noise":
                model.caller_said(now_ms, name.removeprefix("caller noise"))

    def _grant(self) -> None:
        stage = self.stage
        while self.waiting:
            if stage.model.sounds(stage.now_ms):
                stage.model.give_way(stage.now_ms)
                return
            item_id = self.waiting.pop(0)
            stage.floor.own_begins(item_id)
            stage.floor.own_wants_no_more()
            stage.floor.own_sounds(stage.now_ms, 300)
            self.sounding.append(item_id)


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_never_two_voices_items_in_order_nothing_after_an_end(steps: list[str]) -> None:
    play = Play()
    for name in steps:
        play.step(name)
    play.stage.quiet(1_600)
    outs = play.stage.outs
    ended: set[str] = set()
    order: list[str] = []
    for out in outs:
        if isinstance(out, AgentText | AgentAudio):
            assert out.item_id not in ended, "nothing of an item after its end"
            if out.item_id not in order:
                order.append(out.item_id)
            assert out.item_id == order[-1], "one item at a time"
        if isinstance(out, AgentItemEnded):
            assert out.item_id not in ended
            ended.add(out.item_id)
    assert order == sorted(order, key=lambda item_id: int(item_id[1:]))


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_our_voice_never_waits_longer_than_the_term(steps: list[str]) -> None:
    play = Play()
    for name in steps:
        play.step(name)
    play.step("own")
    for _ in range(16):
        play.stage.take(play.stage.model.audio(play.stage.now_ms + FRAME_MS, SPEECH))
        play.stage.now_ms += FRAME_MS
        play._grant()
    assert not play.waiting


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_a_claimed_item_is_claimed_once_and_the_model_is_silent_until_it_is_corrected(steps: list[str]) -> None:
    play = Play()
    for name in steps:
        uncorrected = play.open_claims
        before = len(play.stage.outs)
        play.step(name)
        if uncorrected and play.open_claims >= uncorrected:
            assert audio_ms(play.stage.outs[before:]) == 0
    claimed = [claim.item_id for claim in claims_of(play.stage.outs)]
    assert len(claimed) == len(set(claimed))
