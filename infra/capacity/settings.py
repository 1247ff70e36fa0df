"""What the model is told about the fleet, each time with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Image = Literal["pulled", "baked"]


@dataclass(frozen=True, slots=True)
class Gpu:
    """One task a GPU: so many server processes of the speech model, of which ``spares`` stay free for calls that move to a fresh one."""

    processes: int = 2
    spares: int = 1

    @property
    def slots(self) -> int:
        return self.processes - self.spares


@dataclass(frozen=True, slots=True)
class StartTimes:
    """Seconds of each step from 'a task is wanted' to 'it takes calls'; each is drawn within ``jitter`` either way.

    **Source:** ``pull_s``: 4 to 6 min for an image of 15 to 20 GB by plain docker (AWS blog, June 2026, read). ``load_s``: about 60 s with
    weights in the page cache (two operators' notes, read) and the container's start. The others are from memory, not measured.
    """

    notice_s: float = 60.0
    """A task that fits nowhere to the group's new size: the capacity provider's metric comes once a minute."""
    boot_s: float = 90.0
    """A new instance to a registered ECS agent."""
    pull_s: float = 300.0
    """Pulling the image, where the machine image does not hold it."""
    first_read_s: float = 60.0
    """Reading weights for the first time from a fresh EBS volume; none when the instance was warmed."""
    resume_s: float = 35.0
    """A stopped instance of the warm pool to a registered agent."""
    load_s: float = 75.0
    """A task placed on a running instance to ready: container, weights to the GPU, warm-up."""
    jitter: float = 0.2


@dataclass(frozen=True, slots=True)
class Scaling:
    """The settings that are to be chosen. Slots are calls; tasks are GPUs."""

    target_percent: int = 70
    """Slot utilisation that target tracking holds."""
    free_slots_floor: int = 4
    """Fewer free slots than this start tasks at once (step scaling)."""
    warm_pool_size: int = 0
    """Stopped instances kept ready."""
    scale_out_cooldown_s: int = 300
    scale_in_cooldown_s: int = 900
    min_tasks: int = 1
    max_tasks: int = 10_000


@dataclass(frozen=True, slots=True)
class Spot:
    """Which part of the instances may be taken away, how long one lives on average, and what notice it gets."""

    share: float = 0.0
    mean_life_h: float = 24.0
    notice_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Patience:
    """A refused caller comes back with chance ``returns``, after Retry-After and up to half of it more, ``tries`` times in all."""

    returns: float = 0.7
    tries: int = 5
    longest_retry_after_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything about one deployment; ``image`` is pulled at each new instance or baked into its machine image."""

    scaling: Scaling = Scaling()
    gpu: Gpu = Gpu()
    starts: StartTimes = StartTimes()
    image: Image = "baked"
    spot: Spot = Spot()
    patience: Patience = Patience()
