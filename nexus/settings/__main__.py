"""``python -m nexus.settings [ROOT]`` writes the files that list the settings."""

from __future__ import annotations

import sys
from pathlib import Path

from nexus.settings.pages import write

write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
