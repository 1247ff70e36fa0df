"""The tools of My Business: one class each. docs/tools.md explains the contract.

Store layout: ``message/<time of the call>/<effect id>`` for each message taken.
"""

from typing import Any, ClassVar

from nexus.tools import BaseTool, ToolContext


class TakeMessageTool(BaseTool):
    name = "take_message"
    description = "Take a message from the caller and promise a call back"
    effect = "write"
    parameters: ClassVar = {
        "type": "object",
        "properties": {
            "customer_name": {
                "type": "string",
                "minLength": 1,
                "maxLength": 80,
                "description": "The caller's name",
                "x-nexus": {"kind": "person_name", "ask": "May I have your name?"},
            },
            "phone": {
                "type": "string",
                "format": "phone",
                "maxLength": 32,
                "description": "Where to call back",
                "x-nexus": {"ask": "What number can we call you back at?"},
            },
            "message": {
                "type": "string",
                "minLength": 1,
                "maxLength": 1000,
                "description": "What it is about",
                "x-nexus": {"ask": "What is your message?"},
            },
        },
        "required": ["customer_name", "phone", "message"],
    }

    async def execute(self, customer_name: str, phone: str, message: str, context: ToolContext) -> Any:
        taken = {"customer_name": customer_name, "phone": phone, "message": message, "call_id": context.call_id}
        await context.store.put(f"message/{context.now:%Y-%m-%dT%H:%M}/{context.effect_id}", taken)
        return f"Thank you, {customer_name}. We will call you back within {context.settings.get('answer_within', 'one day')}."
