"""Prices as they lie in prices.yaml, and sums that stay unknown where a price is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

PRICES_FILE = Path(__file__).parent / "prices.yaml"

Unit = Literal["hour", "GB-hour", "GB-month", "GB-second", "GB", "TB", "month", "minute", "thousand", "ten-thousand", "million"]


class Price(BaseModel):
    """What one unit of something costs; ``usd`` None: not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    usd: float | None = Field(ge=0)
    unit: Unit
    confidence: Literal["read", "memory"]
    note: str = Field(min_length=1)


class PriceList(BaseModel):
    """All prices of one region at one date."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str
    dated: date
    prices: dict[str, Price]

    def cost(self, amount: Amount) -> float | None:
        """What so much costs; None where the price is not known.

        Raises:
            ValueError: the amount is counted in another unit than the price.
        """
        price = self.prices[amount.of]
        if price.unit != amount.unit:
            raise ValueError(f"{amount.of} is priced by the {price.unit}, not by the {amount.unit}")
        return None if price.usd is None else price.usd * amount.quantity

    def total(self, amounts: Iterable[Amount]) -> float | None:
        """What all of them cost together; None where one is not known and something of it is used."""
        costs = [self.cost(amount) for amount in amounts if amount.quantity]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None


@dataclass(frozen=True, slots=True)
class Amount:
    """So many units of what prices.yaml names ``of``."""

    of: str
    quantity: float
    unit: Unit


def read_prices(path: Path = PRICES_FILE) -> PriceList:
    """The price list of a file."""
    return PriceList.model_validate(yaml.safe_load(path.read_text()))
