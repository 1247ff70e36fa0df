"""Tests of the stacks: the Node that runs CDK is the one of PyPI, whatever imports aws_cdk first."""

from __future__ import annotations

import pytest

import infra  # noqa: F401
from tests.infra.media_templates import Template, media_templates


@pytest.fixture
def gpu() -> Template:
    """NexusMedia on GPU hosts."""
    return media_templates()["gpu"]


@pytest.fixture
def cpu() -> Template:
    """NexusMedia on Fargate."""
    return media_templates()["cpu"]
