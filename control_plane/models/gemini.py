"""The Gemini LeadModel: one structured-output request per call."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from typing import Any

import httpx2
from google import genai
from google.genai import errors, types
from pydantic import BaseModel, Field

from control_plane.leads.parsing import parse_lead
from control_plane.leads.prompt import INSTRUCTION, lead_prompt
from nexus.domain.lead import LeadObject, Sentiment
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


class _LeadForm(BaseModel):
    """What the service is asked to fill in: plain types only, the service knows no tuples."""

    customer_name: str = ""
    customer_phone: str = ""
    core_intent: str = "unknown"
    sentiment: Sentiment = "neutral"
    call_outcome: str = "unknown"
    key_topics: list[str] = Field(default_factory=list)
    follow_up_required: bool = False
    summary: str = ""


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

    async def extract(self, transcript: PrivateTranscript) -> LeadObject:
        """The lead as Gemini reads it.

        Raises:
            UpstreamError: ``model_failed``, or ``model_malformed_call`` when the answer is no lead.
        """
        config = types.GenerateContentConfig(
            system_instruction=INSTRUCTION, temperature=0.0, response_mime_type="application/json", response_schema=_LeadForm
        )
        try:
            answer = await self._client.aio.models.generate_content(
                model=self._access.model, contents=lead_prompt(transcript), config=config
            )
        except errors.APIError as error:
            raise UpstreamError(
                "model_failed", f"Gemini refused to read the call (status {error.code}); check key, model and quota."
            ) from error
        except (httpx2.HTTPError, OSError, ValueError) as error:
            raise UpstreamError("model_failed", "Gemini could not be reached to read the call; it can be tried again.") from error
        if isinstance(answer.parsed, _LeadForm):
            return LeadObject.model_validate({**answer.parsed.model_dump(), "key_topics": tuple(answer.parsed.key_topics)})
        return parse_lead(answer.text or "")

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aio.aclose()
        await self._http.aclose()
