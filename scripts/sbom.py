"""Writes what a lock holds as a CycloneDX document: `python -m scripts.sbom requirements/media.txt > nexus-media.cdx.json`.

The lock names versions and hashes of every file that may be installed; so the document is the same wherever it is made, without the image.
What the distribution adds (FFmpeg, Python itself) is in the image's own document, which `scripts/image_sbom.sh` asks of syft.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

_PACKAGE = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\]+))?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def packages(lock: str) -> Iterator[Component]:
    """One component for each pinned version. Raises ValueError: a line pins nothing, or a package has no hash."""
    for block in re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"(?m)^\s*#.*\n?", "", lock)):
        if not block.strip():
            continue
        found, hashes = _PACKAGE.match(block), _HASH.findall(block)
        if found is None or not hashes:
            raise ValueError(f"not pinned with a hash: {block.splitlines()[0]!r}")
        name, version = found["name"].lower(), found["version"]
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            bom_ref=f"pypi:{name}@{version}",
            purl=PackageURL("pypi", name=name, version=version),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in hashes],
            description=f"where {found['marker'].strip()}" if found["marker"] else None,
        )


def document(lock: str, name: str, version: str) -> str:
    """The whole document. It names no moment and no random number, so equal locks give equal documents."""
    bom = Bom(components=packages(lock))
    bom.metadata.component = Component(type=ComponentType.CONTAINER, name=name, version=version, bom_ref=f"{name}@{version}")
    bom.register_dependency(bom.metadata.component, bom.components)
    held = json.loads(JsonV1Dot6(bom).output_as_string())
    del held["serialNumber"], held["metadata"]["timestamp"]
    return json.dumps(held, indent=2)


def main(path: str) -> None:
    """Write the document of a lock to standard output."""
    version = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
    print(document(Path(path).read_text(), f"nexus-{Path(path).stem}", version))


if __name__ == "__main__":
    main(*sys.argv[1:])
