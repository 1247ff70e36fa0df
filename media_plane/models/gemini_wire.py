"""Our chat values as Gemini's and back: contents, tools, and whether an answer is one that can be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from google.genai import types

from media_plane.ports.chat import AgentSaid, CallerSaid, ChatMessage, ChatRequest, ToolCall, ToolReturned
from media_plane.ports.tools import ToolSpec

END_CALL = "end_call"
_CALL_BEGINS = "(The call begins.)"
_END_CALL_DECLARATION = types.FunctionDeclaration(
    name=END_CALL,
    description="End the call. Use it together with a goodbye, once the caller has nothing more to ask.",
    parameters_json_schema={"type": "object", "properties": {}},
)
_MALFORMED_FINISH = frozenset(
    {
        types.FinishReason.MALFORMED_FUNCTION_CALL,
        types.FinishReason.UNEXPECTED_TOOL_CALL,
        types.FinishReason.MALFORMED_RESPONSE,
        types.FinishReason.MISSING_THOUGHT_SIGNATURE,
        types.FinishReason.TOO_MANY_TOOL_CALLS,
    }
)


def config_of(request: ChatRequest, *, temperature: float) -> types.GenerateContentConfig:
    """The configuration of one request: no automatic function calling, plain JSON Schemas."""
    declarations = [_declaration(tool) for tool in request.tools]
    return types.GenerateContentConfig(
        system_instruction=request.system,
        temperature=temperature,
        tools=[types.Tool(function_declarations=[*declarations, _END_CALL_DECLARATION])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )


def _declaration(tool: ToolSpec) -> types.FunctionDeclaration:
    return types.FunctionDeclaration(name=tool.name, description=tool.description, parameters_json_schema=without_hints(tool.parameters))


def without_hints(schema: object) -> object:
    """The schema without our ``x-`` fields, which the service does not know."""
    if isinstance(schema, dict) or hasattr(schema, "items"):
        return {key: without_hints(value) for key, value in schema.items() if not str(key).startswith("x-")}
    return [without_hints(value) for value in schema] if isinstance(schema, (list, tuple)) else schema


def contents_of(messages: Sequence[ChatMessage]) -> list[types.Content]:
    """The conversation as contents: it begins with the caller's side, and all outcomes of one answer stand in one content."""
    contents: list[types.Content] = []
    for message in messages:
        role, parts = _parts_of(message)
        if not contents and role == "model":
            contents.append(types.Content(role="user", parts=[types.Part(text=_CALL_BEGINS)]))
        if contents and contents[-1].role == role and contents[-1].parts is not None:
            contents[-1] = types.Content(role=role, parts=[*contents[-1].parts, *parts])
        else:
            contents.append(types.Content(role=role, parts=parts))
    return contents


def _parts_of(message: ChatMessage) -> tuple[str, list[types.Part]]:
    if isinstance(message, CallerSaid):
        return "user", [types.Part(text=message.text)]
    if isinstance(message, ToolReturned):
        key = "error" if message.failed else "output"
        call = message.call
        return "user", [types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={key: message.output}))]
    return "model", _agent_parts(message)


def _agent_parts(message: AgentSaid) -> list[types.Part]:
    if isinstance(message.verbatim, tuple) and all(isinstance(part, types.Part) for part in message.verbatim):
        return list(message.verbatim)
    text = [types.Part(text=message.text)] if message.text else []
    return [*text, *(_call_of_another(call, first=i == 0) for i, call in enumerate(message.calls))]


def _call_of_another(call: ToolCall, *, first: bool) -> types.Part:
    """A call that this model did not make itself, in a conversation handed over to it.

    **Source:** Gemini API, "Thought signatures": the first call of an answer needs a signature, and this one stands for "there is none".
    """
    function_call = types.FunctionCall(id=call.id, name=call.name, args=dict(call.arguments))
    return types.Part(function_call=function_call, thought_signature=b"skip_thought_signature_validator" if first else None)


@dataclass(slots=True)
class Answer:
    """One streamed answer while it is gathered. ``spoken``: some words of it went out (set by who gives them)."""

    parts: list[types.Part] = field(default_factory=list)
    spoken: bool = False
    finish: types.FinishReason | None = None
    usage: dict[str, int] = field(default_factory=dict)

    def add(self, chunk: types.GenerateContentResponse) -> str:
        """Take a chunk; the text in it that is to be spoken."""
        if chunk.usage_metadata is not None:
            counts = {"input_tokens": chunk.usage_metadata.prompt_token_count, "output_tokens": chunk.usage_metadata.candidates_token_count}
            self.usage.update({name: count for name, count in counts.items() if count is not None})
        if not chunk.candidates:
            return ""
        candidate = chunk.candidates[0]
        self.finish = candidate.finish_reason or self.finish
        parts = list((candidate.content.parts if candidate.content else None) or ())
        self.parts += parts
        return "".join(part.text for part in parts if part.text and not part.thought)

    def calls(self, turn: int) -> tuple[ToolCall, ...]:
        """The tool calls, without our own ``end_call``. A call that came without an id gets one from its place."""
        return tuple(
            ToolCall(part.function_call.id or f"gemini-{turn}-{i}", part.function_call.name or "", dict(part.function_call.args or {}))
            for i, part in enumerate(self.parts)
            if part.function_call is not None and part.function_call.name != END_CALL
        )

    def verbatim(self) -> tuple[types.Part, ...]:
        """The parts as they came, but for ``end_call``, which nobody answers."""
        return tuple(part for part in self.parts if part.function_call is None or part.function_call.name != END_CALL)

    @property
    def hang_up(self) -> bool:
        """Whether the model wants to end the call."""
        return any(part.function_call is not None and part.function_call.name == END_CALL for part in self.parts)

    def fault(self, tools: Sequence[ToolSpec], *, may_pass: bool = False) -> str:
        """Why this answer cannot be used; empty when it can. ``may_pass``: one without words and calls can."""
        if self.finish in _MALFORMED_FINISH:
            return f"finish reason {self.finish.value}"
        names = {tool.name: tool for tool in tools}
        for call in self.calls(0):
            if call.name not in names:
                return "a call to a tool that was not offered"
            missing = set(names[call.name].parameters.get("required") or ()) - set(call.arguments)
            if missing and not call.arguments:
                return "a call without arguments"
        return "" if may_pass or self.spoken or self.calls(0) or self.hang_up else "an empty answer"
