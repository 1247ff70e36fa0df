"""The settings as the two files that list them: ``.env.example`` and ``docs/settings.md``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from nexus.settings.values import Settings


def env_example() -> str:
    """The text of ``.env.example``: every setting, commented out with its default."""
    lines = [
        "# Settings of Nexus Voice Engine. Take the # away from a line to change it; docs/settings.md is the same list as a table.",
        "",
    ]
    for name, field in Settings.model_fields.items():
        lines += [f"# {field.description}", f"# {name.upper()}={_default(field)}", ""]
    return "\n".join(lines)


def settings_table() -> str:
    """The text of ``docs/settings.md``."""
    rows = [f"| `{name.upper()}` | `{_default(field) or ' '}` | {field.description} |" for name, field in Settings.model_fields.items()]
    head = "# Settings\n\nRead from the environment, then from `.env`; checked at start. Written by `python -m nexus.settings`.\n\n"
    return head + "| name | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _default(field: Any) -> str:
    value = field.default
    if isinstance(value, SecretStr):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def write(root: Path) -> None:
    """Write both files."""
    (root / ".env.example").write_text(env_example(), encoding="utf-8")
    (root / "docs" / "settings.md").write_text(settings_table(), encoding="utf-8")
