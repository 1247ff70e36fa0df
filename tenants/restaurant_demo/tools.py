"""The restaurant's reservation book: seats for each seating, never more guests than seats.

Store layout: ``seat/2026-11-24T19:00/007`` is one seat of a seating. The first seat of a reservation holds its details (customer_name,
phone, party_size, call_id, effect_id, created_at), the others only the ids. Seatings begin every half hour.
"""

import re
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from nexus.tools import BaseTool, SlotTaken, ToolContext, ToolRefusal

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DATE = {
    "type": "string",
    "format": "date",
    "description": "The day, as YYYY-MM-DD, today, tomorrow or a weekday's name",
    "x-nexus": {"ask": "For which day?"},
}
TIME = {
    "type": "string",
    "format": "time",
    "description": "The time of day, such as 19:00 or 7:30 PM",
    "x-nexus": {"ask": "At what time?"},
}
PARTY = {
    "type": "integer",
    "minimum": 1,
    "maximum": 8,
    "description": "How many guests, the number of people in the party",
    "x-nexus": {"ask": "For how many people?"},
}


def day_of(text: str, today: date) -> date:
    word = text.strip().lower().removeprefix("next ").removeprefix("on ")
    if word in ("today", "tonight"):
        return today
    if word == "tomorrow":
        return today + timedelta(days=1)
    if word in DAYS:
        return today + timedelta(days=(DAYS.index(word) - today.weekday()) % 7 or 7)
    try:
        return date.fromisoformat(word[:10])
    except ValueError:
        raise ToolRefusal("I did not get the day. Could you say the date again?") from None


def minutes_of(text: str) -> int:
    found = re.fullmatch(r"(\d{1,2})(?::?(\d{2}))?(?::\d{2})?\s*(am|pm)?", text.strip().lower().replace(".", ""))
    hour, minute = (int(found[1]), int(found[2] or 0)) if found else (99, 0)
    if found and found[3]:
        hour = hour % 12 + (12 if found[3] == "pm" else 0) if 1 <= hour <= 12 else 99
    if hour > 23 or minute > 59:
        raise ToolRefusal("I did not get the time. Could you say it again?")
    return hour * 60 + minute


def spoken(minutes: int) -> str:
    return f"{minutes // 60 % 12 or 12}:{minutes % 60:02d} {'AM' if minutes < 720 else 'PM'}".replace(":00", "")


class Seating:
    """One half hour of one day, as the book shows it."""

    def __init__(self, context: ToolContext, day: str, time: str) -> None:
        self.context = context
        self.day = day_of(day, context.now.date())
        self.start = minutes_of(time)

    @property
    def words(self) -> str:
        half = "PM" if self.start >= 720 else "AM"
        return f"{self.day:%A}, {self.day:%B} {self.day.day} at {self.start // 60 % 12 or 12}:{self.start % 60:02d} {half}"

    def prefix(self, start: int) -> str:
        return f"seat/{self.day.isoformat()}T{start // 60:02d}:{start % 60:02d}/"

    async def free(self, start: int) -> int:
        return int(self.context.settings["seats"]) - len(await self.context.store.list(self.prefix(start)))

    def fault(self) -> str:
        settings = self.context.settings
        at = datetime(self.day.year, self.day.month, self.day.day, self.start // 60, self.start % 60, tzinfo=self.context.now.tzinfo)
        if at <= self.context.now:
            return f"{self.words} has already passed."
        if DAYS[self.day.weekday()] in settings["closed_days"]:
            return f"We are closed on {self.day:%A}s."
        if not minutes_of(settings["opens"]) <= self.start <= minutes_of(settings["last_seating"]):
            return f"We seat guests from {spoken(minutes_of(settings['opens']))} to {spoken(minutes_of(settings['last_seating']))}."
        return "" if self.start % 30 == 0 else "Our seatings begin on the hour or at half past."

    async def others(self, party_size: int) -> str:
        """Up to two other seatings near by with room."""
        first, last = minutes_of(self.context.settings["opens"]), minutes_of(self.context.settings["last_seating"])
        near = [start for start in range(self.start - 90, self.start + 91, 30) if start != self.start and first <= start <= last]
        found = [start for start in sorted(near, key=lambda other: abs(other - self.start)) if await self.free(start) >= party_size][:2]
        return (
            "We have room at " + " or ".join(f"{start // 60 % 12 or 12}:{start % 60:02d}" for start in sorted(found)) + "." if found else ""
        )


class CheckTableAvailabilityTool(BaseTool):
    name = "check_table_availability"
    description = "Check whether a table is available for a number of guests at a date and time"
    effect = "read"
    parameters: ClassVar = {
        "type": "object",
        "properties": {"date": DATE, "time": TIME, "party_size": PARTY},
        "required": ["date", "time", "party_size"],
    }

    async def execute(self, date: str, time: str, party_size: int, context: ToolContext) -> Any:
        seating = Seating(context, date, time)
        if fault := seating.fault():
            return fault
        if await seating.free(seating.start) >= party_size:
            return f"Yes, we have a table for {party_size} on {seating.words}."
        return f"We are full on {seating.words}. {await seating.others(party_size)}".strip()


class MakeReservationTool(BaseTool):
    name = "make_reservation"
    description = "Make a reservation: reserve or book a table"
    effect = "write"
    parameters: ClassVar = {
        "type": "object",
        "properties": {
            "date": DATE,
            "time": TIME,
            "party_size": PARTY,
            "customer_name": {
                "type": "string",
                "minLength": 1,
                "maxLength": 80,
                "description": "The guest's name",
                "x-nexus": {"kind": "person_name", "ask": "Under what name?"},
            },
            "phone": {
                "type": "string",
                "format": "phone",
                "maxLength": 32,
                "description": "The guest's phone number",
                "x-nexus": {"ask": "What phone number can we reach you at?"},
            },
        },
        "required": ["date", "time", "party_size", "customer_name", "phone"],
    }

    async def execute(self, date: str, time: str, party_size: int, customer_name: str, phone: str, context: ToolContext) -> Any:
        seating = Seating(context, date, time)
        if fault := seating.fault():
            raise ToolRefusal(fault)
        ids = {"call_id": context.call_id, "effect_id": context.effect_id}
        details = {"customer_name": customer_name, "phone": phone, "party_size": party_size, "created_at": context.now.isoformat()}
        if not await self._seat(seating, party_size, {**ids, **details}, ids):
            raise ToolRefusal(f"We are full on {seating.words}. {await seating.others(party_size)}".strip())
        return f"Your table for {party_size} is reserved for {customer_name} on {seating.words}."

    async def _seat(self, seating: Seating, party_size: int, first: dict[str, Any], other: dict[str, Any]) -> bool:
        """Take as many seats as there are guests, or none."""
        store, taken = seating.context.store, []
        for seat in range(int(seating.context.settings["seats"])):
            if len(taken) == party_size:
                break
            key = f"{seating.prefix(seating.start)}{seat:03d}"
            try:
                await store.put_new(key, other if taken else first)
            except SlotTaken:
                continue
            taken.append(key)
        if len(taken) == party_size:
            return True
        for key in taken:
            await store.delete(key)
        return False
