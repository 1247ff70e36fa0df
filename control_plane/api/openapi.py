"""Prints the OpenAPI document: ``python -m control_plane.api.openapi > docs/openapi.json``."""

from __future__ import annotations

import json
import sys

from control_plane.api.app import bare_app


def render() -> str:
    """The document as it is committed."""
    return json.dumps(bare_app().openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
