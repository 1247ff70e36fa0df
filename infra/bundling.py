"""Lambda bundles without docker: locked wheels for the functions' own platform, and the two packages of ours that they run."""

from __future__ import annotations

import compileall
import hashlib
import py_compile
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from platform import machine
from typing import Any, Literal

import jsii
from aws_cdk import AssetHashType, BundlingOptions, DockerImage, ILocalBundling
from aws_cdk import aws_lambda as lambda_

from infra.settings import StageSettings, host_python

ROOT = Path(__file__).parent.parent
PACKAGES = ("nexus", "control_plane")
_NAME = "nexus-voice-engine"
_PYTHON = "3.13"
_RUNTIMES = {
    "3.11": lambda_.Runtime.PYTHON_3_11,
    "3.12": lambda_.Runtime.PYTHON_3_12,
    "3.13": lambda_.Runtime.PYTHON_3_13,
    "3.14": lambda_.Runtime.PYTHON_3_14,
}


@dataclass(frozen=True, slots=True)
class Platform:
    """Where a bundle runs."""

    python: str
    machine: Literal["aarch64", "x86_64"]

    @property
    def runtime(self) -> lambda_.Runtime:
        """Lambda's name for it."""
        return _RUNTIMES[self.python]

    @property
    def wheels(self) -> str:
        """uv's name for it."""
        return f"{self.machine}-manylinux_2_28"

    @property
    def architecture(self) -> lambda_.Architecture:
        """Lambda's name for the machine."""
        return lambda_.Architecture.ARM_64 if self.machine == "aarch64" else lambda_.Architecture.X86_64


def platform_of(settings: StageSettings) -> Platform:
    """The emulator runs functions with the interpreter of this machine; Lambda runs them on arm64."""
    if settings.local:
        return Platform(host_python(), "aarch64" if machine() in ("aarch64", "arm64") else "x86_64")
    return Platform(_PYTHON, "aarch64")


@dataclass(frozen=True, slots=True)
class Bundle:
    """One set of requirements with our packages on top.

    Attributes:
        name: of ``requirements/<name>.txt``.
        platform: where it runs.
    """

    name: str
    platform: Platform

    @property
    def lock(self) -> Path:
        """The locked requirements."""
        return ROOT / "requirements" / f"{self.name}.txt"

    def code(self) -> lambda_.Code:
        """The asset. It is built when a stack with it is synthesised, and again only after a change of what goes in."""
        return lambda_.Code.from_asset(
            str(ROOT),
            asset_hash=self.digest(),
            asset_hash_type=AssetHashType.CUSTOM,
            bundling=BundlingOptions(image=DockerImage.from_registry("unused"), local=_Local(self)),
        )

    def digest(self) -> str:
        """Of everything that goes in, names and contents."""
        return _digest(self.lock, self.platform.python, self.platform.wheels)

    def build(self, into: Path) -> None:
        """Write the bundle's files into a folder. Raises CalledProcessError."""
        print(f"· bundling {self.name} for Python {self.platform.python}, {self.platform.wheels}", file=sys.stderr, flush=True)  # noqa: T201
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(into), "--python", sys.executable]
        command += ["--no-python-downloads", "--python-platform", self.platform.wheels, "--python-version", self.platform.python]
        command += ["--only-binary", ":all:", "--require-hashes", "--link-mode", "copy", "-r", str(self.lock)]
        subprocess.run(command, check=True, cwd=ROOT)  # noqa: S603
        for path in _sources():
            target = into / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        _say_version(into)
        shutil.rmtree(into / "bin", ignore_errors=True)
        if self.platform.python == host_python():
            # Where a function runs, nothing can be written: it would compile all of this at each cold start.
            compileall.compile_dir(into, quiet=2, workers=0, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


@cache
def _digest(lock: Path, *platform: str) -> str:
    """Once for all functions of an app: they are to be of one release, even while somebody writes to the sources."""
    told = hashlib.sha256(" ".join((_release(), *platform)).encode())
    for path in (lock, *_sources()):
        told.update(f"\0{path.relative_to(ROOT)}\0".encode())
        told.update(path.read_bytes())
    return told.hexdigest()


def _say_version(into: Path) -> None:
    """What the packages ask of their own installation: which release this is."""
    folder = into / f"{_NAME.replace('-', '_')}-{_release()}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: {_release()}\n")


def _release() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def _sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@jsii.implements(ILocalBundling)
class _Local:
    """How CDK asks for a bundle; docker is never asked."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def try_bundle(self, output_dir: str, *, image: Any, **options: Any) -> bool:
        """Always built here."""
        self._bundle.build(Path(output_dir))
        return True
