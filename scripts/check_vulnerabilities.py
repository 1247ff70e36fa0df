"""Asks the advisory service whether anything in the lock is known to be vulnerable; says plainly when it could not be asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

LOCK = "requirements/run.txt"


def main() -> int:
    """1 when something is vulnerable, or when NEXUS_REQUIRE_AUDIT is set and nothing could be asked."""
    tool = Path(sys.executable).with_name("pip-audit")
    command = [str(tool), "--progress-spinner", "off", "-r", LOCK, "--require-hashes", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, subprocess.TimeoutExpired):
        packages = []
    asked = [one for one in packages if "skip_reason" not in one]
    vulnerable = [(one["name"], one["version"], flaw["id"]) for one in asked for flaw in one["vulns"]]
    for name, version, flaw in vulnerable:
        print(f"{name} {version}: {flaw}; raise its version and run `make lock`")
    if not asked:
        print("vulnerabilities: NOT AUDITED, the advisory service cannot be reached from here")
        return 1 if os.environ.get("NEXUS_REQUIRE_AUDIT") else 0
    print(f"vulnerabilities: {len(asked)} of {len(packages)} packages asked, {len(vulnerable)} known")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
