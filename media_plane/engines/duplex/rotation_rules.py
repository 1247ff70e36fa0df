"""Decides when a call moves to a fresh session of its model: pure, from what is known at one moment.

A full-duplex model remembers only its last minutes, its persona included. Before those have passed a spare process is primed with what
matters, and in the next silence the call moves there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

REFRESH_MIN_AGE_MS = 20_000.0
"""A session is not exchanged for new facts before it is so old: a booking has several facts in a row."""
QUIET_MS = 300.0
"""Nobody has been busy for so long: a moment to move in."""
STALE_MS = 20_000.0
"""A spare session that was primed so long ago and has missed words is primed anew."""
RETRY_MS = 1_000.0
NOTICE_EVERY_MS = 30_000.0


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """Times of one call's sessions, milliseconds.

    Attributes:
        attempts: how often the first session is tried, with ``retry_delay_ms`` between.
        connect_timeout_ms: until a session must listen, all attempts together: a caller waits for it in silence.
        rotate_after_ms: the age at which the call looks for a spare process; infinite: never.
        window_ms: the age at which a session without a spare is given up; infinite: never.
        reconnects: how often a lost session may be replaced; a session that lived a minute gives the right back.
        move_within_ms: how long such a replacement may take.
        close_within_s: how long a session may take to close, in real time: a server answers no faster because a test's clock does.
    """

    attempts: int = 2
    retry_delay_ms: float = 500.0
    connect_timeout_ms: float = 20_000.0
    rotate_after_ms: float = 200_000.0
    window_ms: float = 300_000.0
    reconnects: int = 1
    move_within_ms: float = 5_000.0
    close_within_s: float = 3.5

    @property
    def prime_by_ms(self) -> float:
        """At this age the spare is primed even while somebody speaks, so that it listens before the window ends."""
        return max(self.rotate_after_ms, self.window_ms - self.connect_timeout_ms)


class Action(Enum):
    WAIT = auto()
    PRIME = auto()
    PRIME_ANEW = auto()
    SWITCH = auto()
    GIVE_UP = auto()


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known now.

    Attributes:
        age_ms: of the present session, counted from its first input.
        quiet_ms: since nobody is busy; 0 while somebody is.
        spare: ``listening`` once its handshake is done, ``warm`` once it has given audio.
        spare_age_ms: since the spare was told its brief; ``spare_stale``: it was told other words than it would be now.
        refresh: new facts wait for the model.
        may_try: no attempt has failed within the last second.
        lost_ms: since the present session was lost; None while it lives.
        reconnects: how many replacements are still allowed.
    """

    age_ms: float
    quiet_ms: float = 0.0
    spare: Literal["none", "opening", "listening", "warm"] = "none"
    spare_age_ms: float = 0.0
    spare_stale: bool = False
    refresh: bool = False
    may_try: bool = True
    lost_ms: float | None = None
    reconnects: int = 0


def decide(now: Moment, policy: RotationPolicy) -> Action:
    """What to do at this moment."""
    if now.lost_ms is not None:
        return _when_lost(now.lost_ms, now, policy)
    if now.spare == "none":
        return _without_spare(now, policy)
    if now.spare == "opening":
        return Action.WAIT  # also beyond the window: its own deadline ends it
    if now.age_ms >= policy.window_ms or (now.spare == "warm" and now.quiet_ms >= QUIET_MS):
        return Action.SWITCH
    return Action.PRIME_ANEW if now.spare_stale and now.spare_age_ms >= STALE_MS else Action.WAIT


def is_due(age_ms: float, *, refresh: bool, policy: RotationPolicy) -> bool:
    """Whether the call should move when it can."""
    return age_ms >= policy.rotate_after_ms or (refresh and age_ms >= REFRESH_MIN_AGE_MS and policy.rotate_after_ms < float("inf"))


def _without_spare(now: Moment, policy: RotationPolicy) -> Action:
    if now.age_ms >= policy.window_ms:
        return Action.GIVE_UP
    if not now.may_try or not is_due(now.age_ms, refresh=now.refresh, policy=policy):
        return Action.WAIT
    return Action.PRIME if now.quiet_ms > 0 or now.age_ms >= policy.prime_by_ms else Action.WAIT


def _when_lost(lost_ms: float, now: Moment, policy: RotationPolicy) -> Action:
    if now.spare in ("listening", "warm"):
        return Action.SWITCH
    if lost_ms >= policy.move_within_ms:
        return Action.GIVE_UP
    if now.spare == "opening":
        return Action.WAIT
    return Action.PRIME if now.reconnects > 0 else Action.GIVE_UP
