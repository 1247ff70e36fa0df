"""The Gemini ChatModel: google-genai over REST and SSE, one retry for malformed answers, errors in our words."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx2
from google import genai
from google.genai import errors, types

from media_plane.dialogue.passing import PassFilter, may_pass
from media_plane.models.gemini_wire import Answer, config_of, contents_of
from media_plane.ports.chat import AnswerDone, ChatRequest, TextDelta
from nexus.errors import UpstreamError

_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class GeminiAccess:
    """How to reach Gemini. ``api_key`` goes into no message and no log. An empty ``base_url`` is Google's own."""

    api_key: str
    model: str
    base_url: str = ""
    ca_file: str = ""
    timeout_s: float = 30.0
    retry_delay_s: float = 0.5

    def __repr__(self) -> str:
        return f"GeminiAccess(model={self.model!r}, base_url={self.base_url!r})"


class GeminiChat:
    """Answers by Gemini. One client, used by every call of the process; ``close`` it at the end."""

    def __init__(self, access: GeminiAccess, *, temperature: float = 0.4) -> None:
        self._access = access
        logging.getLogger("google_genai").setLevel(logging.WARNING)  # at INFO it logs the service's error bodies
        self._temperature = temperature
        trust = ssl.create_default_context(cafile=access.ca_file) if access.ca_file else True
        # Our own client: left alone, the SDK takes aiohttp wherever that is installed, with other errors than those translated here.
        self._http = httpx2.AsyncClient(verify=trust, timeout=access.timeout_s, follow_redirects=True)
        self._client = genai.Client(api_key=access.api_key, vertexai=False, http_options=_http_options(access, self._http))

    @property
    def name(self) -> str:
        """``gemini:`` and the model."""
        return f"gemini:{self._access.model}"

    async def stream(self, request: ChatRequest) -> AsyncIterator[TextDelta | AnswerDone]:
        """Text as it comes, then ``AnswerDone``.

        A malformed or empty answer is asked for once more, unless some of it was spoken already (then what was said stands). Beside a
        voice an empty answer is a pass, and so is the word for it, which is never given.

        Raises:
            UpstreamError: ``model_failed`` (the service refused, broke off or timed out) or ``model_malformed_call``.
        """
        fault = ""
        for attempt in range(_ATTEMPTS):
            answer = Answer()
            async with aclosing(self._texts(request, answer)) as texts:
                async for text in texts:
                    yield TextDelta(text)
            fault = answer.fault(request.tools, may_pass=may_pass(request))
            if not fault:
                yield AnswerDone(answer.calls(len(request.messages)), answer.verbatim(), answer.hang_up, attempt, answer.usage)
                return
            if answer.spoken:  # words cannot be taken back: keep them, drop the bad call
                yield AnswerDone(retries=attempt + 1, usage=answer.usage)
                return
        raise UpstreamError("model_malformed_call", f"The model gave {fault} twice; ask again or choose another GEMINI_MODEL.")

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aio.aclose()
        await self._http.aclose()

    async def _texts(self, request: ChatRequest, answer: Answer) -> AsyncGenerator[str]:
        try:
            stream = await self._client.aio.models.generate_content_stream(
                model=self._access.model,
                contents=list(contents_of(request.messages)),
                config=config_of(request, temperature=self._temperature),
            )
            passing = PassFilter() if request.beside else None
            async for chunk in stream:
                text = answer.add(chunk)
                if given := passing.feed(text) if passing else text:
                    answer.spoken = answer.spoken or bool(given.strip())
                    yield given
            if passing and (rest := passing.flush()):
                answer.spoken = True
                yield rest
        except errors.APIError as error:
            raise _translated(error) from error
        except (httpx2.HTTPError, OSError, ValueError, errors.UnknownApiResponseError) as error:
            raise UpstreamError("model_failed", "Gemini's answer broke off or did not come; check the network and try again.") from error
        if answer.finish is None:
            raise UpstreamError("model_failed", "Gemini's answer broke off; try again.")


def _http_options(access: GeminiAccess, client: httpx2.AsyncClient) -> types.HttpOptions:
    options: dict[str, Any] = {
        "timeout": int(access.timeout_s * 1000),
        "httpx_async_client": client,
        "retry_options": types.HttpRetryOptions(attempts=3, initial_delay=access.retry_delay_s, max_delay=4.0),
    }
    if access.base_url:
        options["base_url"] = access.base_url
    return types.HttpOptions(**options)


def _translated(error: errors.APIError) -> UpstreamError:
    """Ours for the vendor's, without its text: that may quote the request."""
    if error.code in (401, 403):
        return UpstreamError("model_failed", "Gemini refused the key; check GEMINI_API_KEY.", retryable=False)
    if error.code == 404:
        return UpstreamError("model_failed", "Gemini does not know this model; check GEMINI_MODEL.", retryable=False)
    if error.code == 429:
        return UpstreamError("model_failed", "Gemini's quota is used up for now; wait, or raise the quota.")
    return UpstreamError("model_failed", f"Gemini answered with status {error.code}; try again.", retryable=(error.code or 0) >= 500)
