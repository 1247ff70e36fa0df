"""The pizza shop's order book: menu with prices, place an order, ask for its state.

Store layout: ``order/1001`` holds an order (pizza, size, quantity, address, customer_name, phone, total, state, ready_at, call_id,
effect_id, created_at).
"""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from nexus.tools import BaseTool, SlotTaken, ToolContext, ToolRefusal

FIRST_NUMBER = 1001
PIZZA = {
    "type": "string",
    "enum": ["margherita", "pepperoni", "veggie", "hawaiian"],
    "description": "Which pizza",
    "x-nexus": {"ask": "Which pizza would you like: margherita, pepperoni, veggie or hawaiian?"},
}
SIZE = {
    "type": "string",
    "enum": ["small", "medium", "large"],
    "description": "The size of the pizza",
    "x-nexus": {"ask": "Small, medium or large?"},
}


def money(amount: float) -> str:
    dollars, cents = divmod(round(amount * 100), 100)
    return f"{dollars} dollars" if not cents else f"{dollars} dollars {cents:02d}"


def clock(text: str) -> str:
    """``23:00`` as one says it: 11 PM."""
    hour, minute = (int(part) for part in text.split(":"))
    return f"{hour % 12 or 12}{f':{minute:02d}' if minute else ''} {'AM' if hour < 12 else 'PM'}"


class GetMenuTool(BaseTool):
    name = "get_menu"
    description = "Tell the menu: which pizzas there are and what a pizza costs, the price of each size"
    effect = "read"
    parameters: ClassVar = {"type": "object", "properties": {"pizza": PIZZA}, "required": []}

    async def execute(self, context: ToolContext, pizza: str = "") -> Any:
        prices = context.settings.get("prices", {})
        if pizza:
            sizes = ", ".join(f"{size} {money(price)}" for size, price in prices.get(pizza, {}).items())
            return f"The {pizza} costs: {sizes}."
        return "We have " + ", ".join(f"{name} from {money(min(sizes.values()))}" for name, sizes in prices.items()) + "."


class PlaceOrderTool(BaseTool):
    name = "place_order"
    description = "Order pizza for delivery or pickup: place the customer's order"
    effect = "write"
    parameters: ClassVar = {
        "type": "object",
        "properties": {
            "pizza": PIZZA,
            "size": SIZE,
            "quantity": {"type": "integer", "minimum": 1, "maximum": 20, "default": 1, "description": "How many pizzas"},
            "customer_name": {
                "type": "string",
                "minLength": 1,
                "maxLength": 80,
                "description": "The customer's name",
                "x-nexus": {"kind": "person_name", "ask": "What name is the order for?"},
            },
            "phone": {
                "type": "string",
                "format": "phone",
                "maxLength": 32,
                "description": "The customer's phone number",
                "x-nexus": {"ask": "What phone number can we reach you at?"},
            },
            "address": {
                "type": "string",
                "maxLength": 200,
                "description": "Street address for delivery; leave it out, or say pickup, when the customer collects the order",
                "x-nexus": {"kind": "address", "ask": "What address shall we deliver to, or is it for pickup?"},
            },
        },
        "required": ["pizza", "size", "customer_name", "phone"],
    }

    async def execute(
        self, pizza: str, size: str, customer_name: str, phone: str, context: ToolContext, quantity: int = 1, address: str = ""
    ) -> Any:
        settings, now = context.settings, context.now
        if not settings["open"] <= f"{now:%H:%M}" < settings["close"]:
            raise ToolRefusal(f"The kitchen is closed now. We bake from {clock(settings['open'])} to {clock(settings['close'])}.")
        delivered = address.strip().lower() not in ("", "pickup", "pick up", "collect")
        order = {
            "pizza": pizza,
            "size": size,
            "quantity": quantity,
            "customer_name": customer_name,
            "phone": phone,
            "address": address if delivered else "",
            "total": settings["prices"][pizza][size] * quantity + (settings["delivery_fee"] if delivered else 0),
            "state": "in the oven",
            "ready_at": (now + timedelta(minutes=40 if delivered else 20)).isoformat(),
            "call_id": context.call_id,
            "effect_id": context.effect_id,
            "created_at": now.isoformat(),
        }
        number = await self._number(context, order)
        how = f"delivered to {address} in about 40 minutes" if delivered else "ready for pickup in about 20 minutes"
        return f"Order {number}: {quantity} {size} {pizza}, {money(order['total'])}, {how}."

    async def _number(self, context: ToolContext, order: dict[str, Any]) -> int:
        """Take the next free number; when two orders want it at once, one moves on."""
        counter = await context.store.get("last_order")
        first = counter.value + 1 if counter else FIRST_NUMBER
        for number in range(first, first + 1000):
            try:
                await context.store.put_new(f"order/{number}", order)
            except SlotTaken:
                continue
            await context.store.put("last_order", number)
            return number
        raise ToolRefusal("I cannot take the order just now.")


class OrderStatusTool(BaseTool):
    name = "order_status"
    description = "Ask for the status of an order: where it is and when it is ready"
    effect = "read"
    parameters: ClassVar = {
        "type": "object",
        "properties": {
            "order_number": {
                "type": "integer",
                "minimum": 1,
                "description": "The number given with the order",
                "x-nexus": {"ask": "What is your order number?"},
            }
        },
        "required": ["order_number"],
    }

    async def execute(self, order_number: int, context: ToolContext) -> Any:
        found = await context.store.get(f"order/{order_number}")
        if found is None:
            return f"I cannot find an order number {order_number}."
        ready = datetime.fromisoformat(found.value["ready_at"])
        minutes = int((ready - context.now).total_seconds() // 60)
        where = "delivered" if found.value["address"] else "ready for pickup"
        return (
            f"Order {order_number} should be {where} in about {minutes} minutes."
            if minutes > 0
            else f"Order {order_number} should be {where} by now."
        )
