"""One deployment for all tests of this folder, which run in the order of their files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e_aws.deployment import Deployment, deployed


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The stacks in the emulator."""
    with deployed(tmp_path_factory.mktemp("deployment"), {}) as made:
        yield made
