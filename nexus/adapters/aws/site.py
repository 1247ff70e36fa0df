"""Files of a static site in a bucket: all of them, and nothing else."""

from __future__ import annotations

import mimetypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from nexus.errors import ConfigurationError

_KEPT = "no-cache"
"""Names do not change with contents: a browser asks each time whether its copy is still the one."""
_KINDS = {".js": "text/javascript", ".md": "text/markdown"}
_MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Site:
    """``client``: boto3's for S3; ``folder``: what the bucket is to hold."""

    client: Any
    bucket: str
    folder: Path

    def put(self) -> int:
        """Put every file, the document that names them last; then take away what is no longer one. Gives their number."""
        files = {str(path.relative_to(self.folder)): path for path in self.folder.rglob("*") if path.is_file()}
        for name in sorted(files, key=lambda one: (one.endswith(".html"), one)):
            kind = _KINDS.get(files[name].suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
            text = kind.startswith("text/")
            self.client.put_object(
                Bucket=self.bucket,
                Key=name,
                Body=files[name].read_bytes(),
                ContentType=f"{kind}; charset=utf-8" if text else kind,
                CacheControl=_KEPT,
            )
        self._delete(self._names() - files.keys())
        return len(files)

    def clear(self) -> int:
        """Take everything away."""
        self._delete(self._names())
        return 0

    def _names(self) -> set[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {one["Key"] for page in pages for one in page.get("Contents", ())}

    def _delete(self, names: set[str]) -> None:
        gone = sorted(names)
        for start in range(0, len(gone), _MOST_AT_ONCE):
            told = {"Objects": [{"Key": name} for name in gone[start : start + _MOST_AT_ONCE]], "Quiet": True}
            self.client.delete_objects(Bucket=self.bucket, Delete=told)


def site_place() -> Site:
    """As the environment names it: ``NEXUS_CONSOLE_BUCKET``, ``NEXUS_CONSOLE_FILES``. Raises ConfigurationError."""
    named = {name: os.environ.get(name, "") for name in ("NEXUS_CONSOLE_BUCKET", "NEXUS_CONSOLE_FILES")}
    if missing := [name for name, value in named.items() if not value]:
        raise ConfigurationError("setting_invalid", f"The function's environment lacks {', '.join(missing)}.")
    bucket, folder = named.values()
    return Site(boto3.client("s3"), bucket, Path(folder))
