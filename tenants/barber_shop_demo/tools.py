"""The barber shop's calendar: look for a free time, book it, cancel it.

Store layout: ``slot/2026-11-24T10:30`` for every half hour that is taken. The first slot of an appointment holds its details
(customer_name, phone, service, slots, call_id, effect_id, created_at); the others hold ``{"part_of": "slot/…"}``.
"""

import re
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from nexus.tools import BaseTool, SlotTaken, ToolContext, ToolRefusal

SLOT_MINUTES = 30
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DATE = {
    "type": "string",
    "format": "date",
    "description": "The day, as YYYY-MM-DD, today, tomorrow or a weekday's name",
    "x-nexus": {"ask": "Which day would you like to come?"},
}
TIME = {
    "type": "string",
    "format": "time",
    "description": "The time of day, such as 10:30, 10:30 AM or 14:00",
    "x-nexus": {"ask": "What time would suit you?"},
}
SERVICE = {
    "type": "string",
    "enum": ["haircut", "beard trim", "haircut and beard", "kids haircut"],
    "description": "What is to be done",
    "default": "haircut",
}


def day_of(text: str, today: date) -> date:
    """A day from a date or a word; words mean the next such day, counted from the shop's today."""
    word = text.strip().lower().removeprefix("next ").removeprefix("on ")
    if word in ("today", "tonight"):
        return today
    if word in ("tomorrow", "day after tomorrow", "the day after tomorrow"):
        return today + timedelta(days=1 if word == "tomorrow" else 2)
    if word in DAYS:
        return today + timedelta(days=(DAYS.index(word) - today.weekday()) % 7 or 7)
    try:
        return date.fromisoformat(word[:10])
    except ValueError:
        raise ToolRefusal("I did not get the day. Could you say the date again?") from None


def minutes_of(text: str) -> int:
    """Minutes since midnight from 10:30, 10:30 AM, 2 pm, noon."""
    word = text.strip().lower().replace(".", "")
    if word in ("noon", "midday"):
        return 12 * 60
    found = re.fullmatch(r"(\d{1,2})(?::?(\d{2}))?(?::\d{2})?\s*(am|pm)?", word)
    hour, minute = (int(found[1]), int(found[2] or 0)) if found else (99, 0)
    if found and found[3]:
        hour = hour % 12 + (12 if found[3] == "pm" else 0) if 1 <= hour <= 12 else 99
    if hour > 23 or minute > 59:
        raise ToolRefusal("I did not get the time. Could you say it again?")
    return hour * 60 + minute


def spoken_time(minutes: int) -> str:
    hour = minutes // 60 % 12 or 12
    half = "PM" if minutes >= 720 else "AM"
    return f"{hour}:{minutes % 60:02d} {half}"


def spoken_day(day: date) -> str:
    return f"{day:%A}, {day:%B} {day.day}"


def key_of(day: date, minutes: int) -> str:
    return f"slot/{day.isoformat()}T{minutes // 60:02d}:{minutes % 60:02d}"


class Calendar:
    """One day of the shop as the store shows it."""

    def __init__(self, context: ToolContext, day: date, service: str) -> None:
        self.context = context
        self.day = day
        self.slots = -(-int(context.settings.get("services", {}).get(service, {}).get("minutes", 30)) // SLOT_MINUTES)
        hours = context.settings.get("opening_hours", {}).get(DAYS[day.weekday()])
        self.opens, self.closes = (minutes_of(part) for part in hours.split("-")) if hours else (0, 0)

    async def free(self) -> list[int]:
        """Starts that are open, in the future, and free for the whole service."""
        taken = {stored.key for stored in await self.context.store.list(f"slot/{self.day.isoformat()}T")}
        return [
            start
            for start in range(self.opens, self.closes - self.slots * SLOT_MINUTES + 1, SLOT_MINUTES)
            if not self.is_past(start) and not any(key in taken for key in self.keys(start))
        ]

    def keys(self, start: int) -> list[str]:
        return [key_of(self.day, start + step * SLOT_MINUTES) for step in range(self.slots)]

    def is_past(self, start: int) -> bool:
        at = datetime(self.day.year, self.day.month, self.day.day, start // 60, start % 60, tzinfo=self.context.now.tzinfo)
        return at <= self.context.now

    def fault(self, start: int) -> str:
        """Why nobody can come then, whatever is booked; empty when one could."""
        if self.day < self.context.now.date() or self.is_past(start):
            return f"{spoken_day(self.day)} at {spoken_time(start)} has already passed."
        if self.opens == self.closes:
            return f"We are closed on {self.day:%A}s."
        if start < self.opens or start + self.slots * SLOT_MINUTES > self.closes:
            return f"On {self.day:%A} we are open from {spoken_time(self.opens)} to {spoken_time(self.closes)}."
        if start % SLOT_MINUTES:
            return "Our appointments begin on the hour or at half past."
        return ""

    async def nearest(self, start: int) -> str:
        free = sorted(sorted(await self.free(), key=lambda other: abs(other - start))[:3])
        if self.opens == self.closes:
            return ""
        if not free:
            return f"There is nothing free on {spoken_day(self.day)}."
        return f"Free times on {spoken_day(self.day)} are {', '.join(spoken_time(other) for other in free)}."


class CheckAvailabilityTool(BaseTool):
    name = "check_availability"
    description = "Check whether an appointment time is free, or which times are free and available on a day"
    effect = "read"
    parameters: ClassVar = {
        "type": "object",
        "properties": {"date": DATE, "time": TIME, "service": SERVICE},
        "required": ["date"],
    }

    async def execute(self, date: str, context: ToolContext, time: str = "", service: str = "haircut") -> Any:
        calendar = Calendar(context, day_of(date, context.now.date()), service)
        free = await calendar.free()
        if time:
            start = minutes_of(time)
            if fault := calendar.fault(start):
                return f"{fault} {await calendar.nearest(start)}".strip()
            if start in free:
                return f"Yes, {spoken_day(calendar.day)} at {spoken_time(start)} is free."
            return f"{spoken_day(calendar.day)} at {spoken_time(start)} is taken. {await calendar.nearest(start)}"
        if not free:
            return calendar.fault(calendar.opens) or f"There is nothing free on {spoken_day(calendar.day)}."
        shown = free if len(free) <= 4 else [free[0], free[len(free) // 3], free[2 * len(free) // 3], free[-1]]
        return f"On {spoken_day(calendar.day)} you could come at {', '.join(spoken_time(start) for start in shown)}."


class BookAppointmentTool(BaseTool):
    name = "book_appointment"
    description = "Book, make or schedule an appointment for a haircut or another service"
    effect = "write"
    parameters: ClassVar = {
        "type": "object",
        "properties": {
            "date": DATE,
            "time": TIME,
            "customer_name": {
                "type": "string",
                "minLength": 1,
                "maxLength": 80,
                "description": "The customer's name",
                "x-nexus": {"kind": "person_name", "ask": "What name should I book it under?"},
            },
            "phone": {
                "type": "string",
                "format": "phone",
                "minLength": 4,
                "maxLength": 32,
                "description": "The customer's phone number",
                "x-nexus": {"ask": "What phone number can we reach you at?"},
            },
            "service": {**SERVICE, "x-nexus": {"ask": "What would you like done: a haircut, a beard trim, both, or a kids haircut?"}},
        },
        "required": ["date", "time", "customer_name", "phone"],
    }

    async def execute(self, date: str, time: str, customer_name: str, phone: str, context: ToolContext, service: str = "haircut") -> Any:
        calendar, start = Calendar(context, day_of(date, context.now.date()), service), minutes_of(time)
        if fault := calendar.fault(start):
            raise ToolRefusal(f"{fault} {await calendar.nearest(start)}".strip())
        booking = {
            "customer_name": customer_name.strip(),
            "phone": phone,
            "service": service,
            "slots": calendar.slots,
            "call_id": context.call_id,
            "effect_id": context.effect_id,
            "created_at": context.now.isoformat(),
        }
        if not await self._take(calendar, start, booking):
            taken = f"{spoken_day(calendar.day)} at {spoken_time(start)} is already taken."
            raise ToolRefusal(f"{taken} {await calendar.nearest(start)}")
        return f"You are booked: {service} for {booking['customer_name']} on {spoken_day(calendar.day)} at {spoken_time(start)}."

    async def _take(self, calendar: Calendar, start: int, booking: dict[str, Any]) -> bool:
        """Write every slot or none; slots that this very effect has written already count as written."""
        store, keys, written = calendar.context.store, calendar.keys(start), []
        for key in keys:
            try:
                mine = {"part_of": keys[0], "effect_id": booking["effect_id"], "call_id": booking["call_id"]}
                await store.put_new(key, booking if key == keys[0] else mine)
                written.append(key)
            except SlotTaken:
                found = await store.get(key)
                if found and (found.value.get("call_id"), found.value.get("effect_id")) == (booking["call_id"], booking["effect_id"]):
                    continue
                for mine_key in written:
                    await store.delete(mine_key)
                return False
        return True


class CancelAppointmentTool(BaseTool):
    name = "cancel_appointment"
    description = "Cancel an existing appointment of the caller"
    effect = "write"
    undoes = "book_appointment"
    parameters: ClassVar = {
        "type": "object",
        "properties": {
            "date": {**DATE, "x-nexus": {"ask": "Which day is your appointment?"}},
            "time": {**TIME, "x-nexus": {"ask": "At what time is it?"}},
            "phone": {**BookAppointmentTool.parameters["properties"]["phone"], "x-nexus": {"ask": "Which phone number is it under?"}},
        },
        "required": ["date", "time", "phone"],
    }

    async def execute(self, date: str, time: str, phone: str, context: ToolContext) -> Any:
        day, start = day_of(date, context.now.date()), minutes_of(time)
        key = key_of(day, start)
        found = await context.store.get(key)
        if found is None or re.sub(r"\D", "", str(found.value.get("phone", "")))[-7:] != re.sub(r"\D", "", phone)[-7:]:
            raise ToolRefusal("I cannot find an appointment at that time under that phone number.")
        for step in range(int(found.value["slots"])):
            await context.store.delete(key_of(day, start + step * SLOT_MINUTES))
        return f"Your appointment on {spoken_day(day)} at {spoken_time(start)} is cancelled."
