"""Tests of the stacks: the Node that runs CDK is the one of PyPI, whatever imports aws_cdk first."""

from __future__ import annotations

import infra  # noqa: F401
