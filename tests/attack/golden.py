"""The matrix a second time, as committed words: a file that the attacks believe in place of the matrix, and the table in docs/security.md.

``python -m tests.attack.golden`` writes both anew; read the difference before you commit it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from control_plane.access.matrix import MATRIX, Rule
from tests.attack.ground import Credential

FILE = Path(__file__).parents[1] / "golden" / "access.json"
SECURITY = Path(__file__).parents[2] / "docs" / "security.md"
_BEGIN, _END = "<!-- table: python -m tests.attack.golden -->\n", "<!-- end of the table -->\n"
_COLUMNS = ("platform_admin", "tenant_admin", "tenant_viewer", "analyst", "api_key", "test_key", "publishable_key")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is written of one operation. ``admits`` holds ``everybody`` for a public one."""

    admits: frozenset[str]
    scope: str

    def admits_within_reach(self, shown: Credential) -> bool:
        """Whether the credential may do this for a tenant within its reach."""
        if shown.kind not in self.admits:
            return False
        return shown.kind not in ("api_key", "test_key") or shown.scope in ("*", self.scope)

    @property
    def is_public(self) -> bool:
        return "everybody" in self.admits


def entries() -> Mapping[str, Entry]:
    """What is committed."""
    told = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: Entry(frozenset(one["admits"]), one["scope"]) for name, one in told.items()}


def words(matrix: Mapping[str, Rule] = MATRIX) -> str:
    """What the matrix says now."""
    told = {name: {"scope": rule.permission, "admits": _admits(rule)} for name, rule in sorted(matrix.items())}
    return json.dumps(told, indent=1) + "\n"


def table(matrix: Mapping[str, Rule] = MATRIX) -> str:
    """Who holds what, for people to read: one line for operations that are held alike."""
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name, rule in matrix.items():
        if rule.reach != "public":
            alike.setdefault((rule.permission, tuple(_admits(rule))), []).append(name)
    head = f"| permission (scope of keys) | operations | {' | '.join(name.replace('_', ' ') for name in _COLUMNS)} |\n"
    lines = [head, "|---|---|" + "---|" * len(_COLUMNS) + "\n"]
    for (permission, admitted), names in sorted(alike.items()):
        marks = " | ".join("×" if column in admitted else " " for column in _COLUMNS)
        lines.append(f"| `{permission}` | {' '.join(names)} | {marks} |\n")
    return "".join(lines)


def documented() -> str:
    """The table as docs/security.md has it."""
    text = SECURITY.read_text(encoding="utf-8")
    return text[text.index(_BEGIN) + len(_BEGIN) : text.index(_END)]


def write() -> None:
    """Both files anew."""
    FILE.write_text(words(), encoding="utf-8")
    text = SECURITY.read_text(encoding="utf-8")
    SECURITY.write_text(text.replace(_BEGIN + documented() + _END, _BEGIN + table() + _END), encoding="utf-8")


def _admits(rule: Rule) -> list[str]:
    if rule.reach == "public":
        return ["everybody"]
    kinds = [str(role) for role in rule.roles]
    kinds += ["api_key"] if rule.keys and rule.reach != "platform" else []
    kinds += ["test_key"] if rule.keys and rule.test_mode else []
    kinds += ["publishable_key"] if rule.publishable else []
    return sorted(kinds)


if __name__ == "__main__":
    write()
