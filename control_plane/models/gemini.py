"""The Gemini LeadModel: one structured-output request per call."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import httpx2
from google import genai
from google.genai import errors, types
from pydantic import JsonValue

from control_plane.leads.parsing import parse_reading
from control_plane.leads.prompt import INSTRUCTION, lead_prompt
from nexus.domain.lead import LeadReading, Sentiment
from nexus.domain.session import PrivateTranscript
from nexus.errors import UpstreamError


@dataclass(frozen=True, slots=True)
class LeadAccess:
    """How to reach Gemini. ``api_key`` goes into no message and no log. An empty ``base_url`` is Google's own."""

    api_key: str
    model: str
    base_url: str = ""
    ca_file: str = ""
    timeout_s: float = 60.0
    retry_delay_s: float = 0.5

    def __repr__(self) -> str:
        return f"LeadAccess(model={self.model!r}, base_url={self.base_url!r})"


_TEXT: JsonValue = {"type": "string"}
_PLAIN: dict[str, JsonValue] = {
    "customer_name": _TEXT,
    "customer_phone": _TEXT,
    "core_intent": _TEXT,
    "sentiment": {"type": "string", "enum": [*get_args(Sentiment)]},
    "call_outcome": _TEXT,
    "key_topics": {"type": "array", "items": _TEXT},
    "follow_up_required": {"type": "boolean"},
    "summary": _TEXT,
}
_REFUSED_FOR_GOOD = range(400, 500)
_PASSING = frozenset({408, 409, 429})


def lead_form(wanted: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What the service is asked to fill in, as JSON Schema: the lead, a turn for each field, and the tenant's own fields."""
    cited: JsonValue = {
        "type": "object",
        "properties": {"field": {"type": "string", "enum": [*_PLAIN, *wanted]}, "turn": {"type": "integer"}},
        "required": ["field", "turn"],
    }
    form: dict[str, JsonValue] = {**_PLAIN, "evidence": {"type": "array", "items": cited}}
    if wanted:
        form["fields"] = {"type": "object", "properties": dict(wanted)}
    return {"type": "object", "properties": form, "required": [*_PLAIN, "evidence"]}


class GeminiLeads:
    """Reads leads with Gemini; ``close`` it at the end."""

    def __init__(self, access: LeadAccess) -> None:
        self._access = access
        logging.getLogger("google_genai").setLevel(logging.WARNING)  # at INFO it logs the service's error bodies
        options: dict[str, Any] = {
            "timeout": int(access.timeout_s * 1000),
            "retry_options": types.HttpRetryOptions(attempts=3, initial_delay=access.retry_delay_s, max_delay=4.0),
        }
        if access.base_url:
            options["base_url"] = access.base_url
        trust = ssl.create_default_context(cafile=access.ca_file) if access.ca_file else True
        # Our own client: left alone, the SDK takes aiohttp wherever that is installed, with other errors than those translated here.
        self._http = httpx2.AsyncClient(verify=trust, timeout=access.timeout_s, follow_redirects=True)
        options["httpx_async_client"] = self._http
        self._client = genai.Client(api_key=access.api_key, vertexai=False, http_options=types.HttpOptions(**options))

    @property
    def name(self) -> str:
        """``gemini:`` and the model."""
        return f"gemini:{self._access.model}"

    async def extract(self, transcript: PrivateTranscript, wanted: Mapping[str, JsonValue]) -> LeadReading:
        """The lead as Gemini reads it.

        Raises:
            UpstreamError: ``model_failed`` (final where the service refuses key, model or form), or ``model_malformed_call`` when the
                answer is no lead.
        """
        config = types.GenerateContentConfig(
            system_instruction=INSTRUCTION,
            temperature=0.0,
            response_mime_type="application/json",
            response_json_schema=lead_form(wanted),
        )
        try:
            answer = await self._client.aio.models.generate_content(
                model=self._access.model, contents=lead_prompt(transcript), config=config
            )
        except errors.APIError as error:
            raise UpstreamError(
                "model_failed",
                f"Gemini refused to read the call (status {error.code}); check key, model and quota.",
                retryable=error.code not in _REFUSED_FOR_GOOD or error.code in _PASSING,
            ) from error
        except (httpx2.HTTPError, OSError, ValueError) as error:
            raise UpstreamError("model_failed", "Gemini could not be reached to read the call; it can be tried again.") from error
        return parse_reading(answer.text or "", transcript, wanted)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aio.aclose()
        await self._http.aclose()
