"""Refuses an installed package whose licence is not on the list: what we ship must be usable in anybody's product."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ALLOWED = [
    "0BSD",
    "Apache-2.0",
    "Apache Software License",
    "BSD",
    "BSD License",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "3-Clause BSD License",
    "CC0-1.0",
    "CNRI-Python",
    "ISC",
    "ISC License (ISCL)",
    "MIT",
    "MIT License",
    "MIT-0",
    "MIT-CMU",
    "MIT No Attribution License (MIT-0)",
    "MPL-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)",
    "PSF-2.0",
    "Python Software Foundation License",
    "Unlicense",
    "Zlib",
]
EXCEPTIONS = {
    "av": "BSD code; its wheel carries FFmpeg with GPL codecs: docs/models.md says where that matters, Dockerfile.media builds without",
}


def main() -> int:
    """0 when every licence is allowed."""
    tool = Path(sys.executable).with_name("pip-licenses")
    found = json.loads(subprocess.run([tool, "--from=mixed", "--format=json"], check=True, capture_output=True, text=True).stdout)
    bad = [(one["Name"], one["License"]) for one in found if one["Name"] not in EXCEPTIONS and not allowed(one["License"])]
    for name, licence in bad:
        print(f"{name}: licence {licence!r} is not on the list; replace the package, or add the licence after reading it")
    print(f"licences: {len(found)} packages, {len(bad)} refused, {len(EXCEPTIONS)} explained exception(s)")
    return 1 if bad else 0


def allowed(licence: str) -> bool:
    """Whether at least one side of every OR, and all of every AND, is allowed."""
    return all(
        any(part.strip(" ()") in ALLOWED or part.strip() in ALLOWED for part in re.split(r" OR |(?<=MIT)/(?=Apache-2\.0)", term))
        for term in re.split(r"; | AND ", licence)
    )


if __name__ == "__main__":
    sys.exit(main())
