"""What a process and its children cost, read from Linux' /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time so far (living children included) and proportional set size now."""

    cpu_s: float
    pss_mib: float
    processes: int


def cost_of(pid: int) -> Cost:
    """The cost of a process and everything below it. A child that ends while we look is left out."""
    pids = [pid, *_descendants(pid)]
    cpu_s = pss_mib = 0.0
    for each in pids:
        try:
            cpu_s += _cpu_s(each)
            pss_mib += _pss_mib(each)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return Cost(cpu_s, pss_mib, len(pids))


def load() -> str:
    """The machine's load just now, as a note: others may be working on it."""
    return f"load average {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores"


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found += [child, *_descendants(child)]
    return found


def _cpu_s(pid: int) -> float:
    """User and system time of the process and of the children it has waited for (fields 14 to 17 of proc(5) stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS_PER_S


def _pss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0
