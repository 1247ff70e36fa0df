"""What a probe of the media plane is told: each check with its finding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from media_plane.server.calls import CallServer
from media_plane.slots import SlotPool


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; ``detail`` is for people."""

    ok: bool
    detail: str = ""


class Health:
    """Whether this process can take a call now.

    Args:
        calls: of this process.
        faults: what did not load.
        slots: the server processes of a sidecar engine; None for an engine without any.
    """

    def __init__(self, calls: CallServer, faults: tuple[str, ...], slots: SlotPool | None) -> None:
        self._calls = calls
        self._faults = faults
        self._slots = slots

    def checks(self) -> Mapping[str, Check]:
        """By name; ``engine_slots`` only where an engine has server processes."""
        draining = self._calls.draining
        return {
            "engine": Check(not self._faults, "; ".join(self._faults)),
            **({} if self._slots is None else {"engine_slots": _processes(self._slots)}),
            "draining": Check(not draining, "no new calls; the living ones finish" if draining else ""),
        }

    def answer(self, *, ready: bool) -> tuple[bool, bytes]:
        """Whether all is well, and the body as JSON. Without ``ready``: only that the process runs."""
        found = self.checks() if ready else {}
        fine = all(check.ok for check in found.values())
        told: dict[str, object] = {"status": ("ready" if fine else "not_ready") if ready else "ok", "active_calls": self._calls.active}
        if ready:
            told["checks"] = {name: asdict(check) for name, check in found.items()}
        return fine, json.dumps(told).encode() + b"\n"


def _processes(slots: SlotPool) -> Check:
    rows = slots.status()
    free = sum(row.state == "free" for row in rows)
    told = f"{slots.healthy} of {len(rows)} processes live, {free} free; calls at once: {slots.usable}"
    down = ", ".join(sorted({row.address for row in rows if row.state == "down"}))
    return Check(slots.healthy > 0, f"{told}; does not answer: {down}" if down else told)
