"""One running product for the console's tests that need a real one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.product import Product, product


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """``nexus run`` with tenants, data and port of its own."""
    with product(tmp_path_factory.mktemp("product")) as running:
        yield running
