"""Shows how far pip is: one line that counts packages out of the lock; everything pip says is kept for when it fails."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def main() -> int:
    """Read pip's output from standard input; 1 when pip failed."""
    total = len(re.findall(r"^[A-Za-z0-9][^\s=]*==", Path(sys.argv[1]).read_text(), re.MULTILINE))
    said: list[str] = []
    seen = 0
    failed = False
    for line in sys.stdin:
        said.append(line)
        failed = failed or line.startswith("ERROR:")
        if line.startswith(("Collecting ", "Requirement already satisfied: ")):
            seen += 1
            name = re.split(r"[ (=]", line.split(": ", 1)[-1].removeprefix("Collecting "))[0]
            show(f"  {min(seen, total):3d}/{total} {name}")
        elif line.startswith("Installing collected packages"):
            show(f"  {total}/{total} unpacking …")
    show("")
    if failed or not any(line.startswith(("Successfully installed", "Requirement already satisfied")) for line in said):
        sys.stderr.write(
            "".join(said[-40:]) + "\npip could not install the packages; its last lines are above. Mend that and run make again.\n"
        )
        return 1
    return 0


def show(text: str) -> None:
    """On a terminal rewrite one line; elsewhere print every twentieth."""
    if sys.stdout.isatty():
        sys.stdout.write(f"\r\033[K{text}")
    elif text and (text.lstrip().split("/")[0].endswith("0") or "unpacking" in text):
        sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
