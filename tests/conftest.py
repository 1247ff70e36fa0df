"""What every test may ask for: the stores in AWS, in process and over one emulator for the whole run."""

from tests.aws import emulator_stores, emulator_url, lossy_stores, more_emulator_stores, moto, moto_stores
from tests.lake import lake, lake_of_session
from tests.lanes import pytest_collection_modifyitems

__all__ = [
    "emulator_stores",
    "emulator_url",
    "lake",
    "lake_of_session",
    "lossy_stores",
    "more_emulator_stores",
    "moto",
    "moto_stores",
    "pytest_collection_modifyitems",
]
