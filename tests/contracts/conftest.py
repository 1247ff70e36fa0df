"""What the suites of ports run over beside memory, files and SQLite."""

from tests.aws import emulator_stores, emulator_url, moto_stores

__all__ = ["emulator_stores", "emulator_url", "moto_stores"]
