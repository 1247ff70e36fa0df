"""Writes the digests of base images into Dockerfiles, for a release: `python -m scripts.pin_bases Dockerfile.media python=sha256:...`.

No digest is in git: nobody here can pull an image, and a digest that was never pulled is a guess. Whoever builds a release asks for it
(`docker buildx imagetools inspect python:3.11-slim-trixie --format '{{.Manifest.Digest}}'`) and builds from what this prints.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

_FROM = re.compile(r"(?m)^FROM (?P<name>[\w./-]+):(?P<tag>[\w.-]+)(?:@sha256:[0-9a-f]{64})?(?P<rest>.*)$")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def pinned(dockerfile: str, digests: Mapping[str, str]) -> str:
    """The Dockerfile with each base by tag and digest. Raises ValueError: a base lacks one, or it is none."""
    for name, digest in digests.items():
        if _DIGEST.fullmatch(digest) is None:
            raise ValueError(f"{name}: {digest!r} is no digest (sha256: and 64 hex digits)")

    def one(found: re.Match[str]) -> str:
        digest = digests.get(found["name"])
        if digest is None:
            raise ValueError(f"no digest was given for {found['name']}")
        return f"FROM {found['name']}:{found['tag']}@{digest}{found['rest']}"

    return _FROM.sub(one, dockerfile)


def main(path: str, *said: str) -> int:
    """Print the pinned Dockerfile; 2 when something is missing."""
    try:
        print(pinned(Path(path).read_text(), dict(one.split("=", 1) for one in said)), end="")
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
