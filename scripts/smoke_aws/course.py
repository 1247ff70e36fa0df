"""The course of a run: steps one after the other, each with a deadline, and whatever was made is unmade at the end, come what may."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Literal, Protocol

Outcome = Literal["shown", "not shown", "not tried"]


class NotTried(Exception):
    """A step cannot be tried with what was given; the message says what it wants."""


class NotShown(Exception):
    """AWS does otherwise than we say."""


class TooLong(Exception):
    """A deadline is over."""


@dataclass(slots=True)
class Undo:
    """What is to be unmade, the newest first."""

    todo: list[tuple[str, Callable[[], None]]] = field(default_factory=list)

    def later(self, what: str, how: Callable[[], None]) -> None:
        """Before the thing is made: half of a failed making is unmade too. ``how`` is silent when there is nothing."""
        self.todo.append((what, how))


Deadline = Callable[[int], AbstractContextManager[None]]


class Unmade(Protocol):
    """What steps work with; the course only knows that."""

    @property
    def undo(self) -> Undo: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that only AWS can show.

    Attributes:
        name: as in docs/unproven.md.
        shows: in one sentence.
        run: does it, and says what was measured. Raises NotShown, NotTried.
        limit_s: it is broken off after so long.
        usd: what it costs at most, by list prices.
        stops: the course ends where this is not shown.
    """

    name: str
    shows: str
    run: Callable[[Any], str]
    limit_s: int
    usd: float
    stops: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """How a step went."""

    name: str
    outcome: Outcome
    told: str
    took_s: float


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a run may take.

    Attributes:
        steps_s: all steps together; what is not done then is not tried.
        undo_s: each thing that is unmade.
        hourly_usd: of what stands as long as the run lasts: hosts, tasks, addresses.
    """

    steps_s: int
    undo_s: int
    hourly_usd: float


def plan(steps: Sequence[Step], bounds: Bounds) -> str:
    """What would be done, how long it may take and what it may cost."""
    lines = []
    for number, step in enumerate(steps, 1):
        lines.append(f"{number:3}. {step.name:20} {-(-step.limit_s // 60):3} min {step.usd:6.2f} USD  {step.shows}")
    longest_s = min(bounds.steps_s, sum(step.limit_s for step in steps)) + bounds.undo_s
    usd = sum(step.usd for step in steps) + bounds.hourly_usd * longest_s / 3600
    bound = f"At most {longest_s // 60} minutes with the cleaning up, and {usd:.2f} USD by list prices ({bounds.hourly_usd:.2f} an hour)."
    return "\n".join([*lines, bound])


def course(
    steps: Sequence[Step], account: Unmade, tell: Callable[[str], None], bounds: Bounds, deadline: Deadline | None = None
) -> list[Finding]:
    """Take the steps, then unmake what was made, also after a failure or Ctrl-C."""
    within = deadline or alarm
    found: list[Finding] = []
    ends_at = time.monotonic() + bounds.steps_s
    try:
        for step in steps:
            left_s = int(ends_at - time.monotonic())
            found.append(_taken(step, account, min(step.limit_s, left_s), within) if left_s > 0 else _too_late(step))
            tell(f"{found[-1].outcome:9}  {step.name:22} {found[-1].told}")
            if step.stops and found[-1].outcome != "shown":
                tell("The rest stands on this step; it is not tried.")
                break
    finally:
        _unmake(account.undo, tell, bounds.undo_s, within)
    return found


def _too_late(step: Step) -> Finding:
    return Finding(step.name, "not tried", "the time of the whole run is over", 0.0)


def _taken(step: Step, account: object, limit_s: int, within: Deadline) -> Finding:
    began = time.monotonic()

    def over(outcome: Outcome, told: str) -> Finding:
        return Finding(step.name, outcome, told, time.monotonic() - began)

    try:
        with within(limit_s):
            return over("shown", step.run(account))
    except NotTried as error:
        return over("not tried", str(error))
    except (NotShown, TooLong) as error:
        return over("not shown", str(error))
    except Exception as error:  # a border: boto3, sockets and the CLI fail in many ways, and cleaning up must follow
        return over("not shown", f"{type(error).__name__}: {error}")


def _unmake(undo: Undo, tell: Callable[[str], None], limit_s: int, within: Deadline) -> None:
    while undo.todo:
        what, how = undo.todo.pop()
        try:
            with within(limit_s):
                how()
            tell(f"unmade     {what}")
        except Exception as error:  # a border: the others are unmade all the same
            tell(f"LEFT THERE {what}: {type(error).__name__}: {error}")


@contextmanager
def alarm(limit_s: int) -> Iterator[None]:
    """A hard deadline, also for what does not look at clocks. Raises TooLong."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TooLong(f"not done within {limit_s} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(max(1, limit_s))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
