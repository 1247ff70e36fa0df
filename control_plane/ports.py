"""What the control plane alone asks of the outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import JsonValue

from nexus.domain.analytics import AnalyticsRow
from nexus.domain.lead import LeadReading
from nexus.domain.session import PrivateTranscript, ToolUse
from nexus.domain.tenant import TenantConfig
from nexus.domain.trace import Span
from nexus.domain.webhook import Sent


@dataclass(frozen=True, slots=True)
class OpenConversation:
    """A text conversation that has begun: its id, the agent's first sentence (may be empty), the names of the tools it can use."""

    conversation_id: str
    greeting: str
    tools: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConversationReply:
    """What the agent answered to one message, and the tools it used for it, in order."""

    text: str
    tools: tuple[ToolUse, ...] = ()
    ended: bool = False


class Conversations(Protocol):
    """Talking with a tenant's agent in text. The implementation bounds how many stand open and closes idle ones."""

    async def open(self, tenant: TenantConfig, phone: str) -> OpenConversation:
        """Begin a conversation; ``phone`` is what the caller says of itself, or empty.

        Raises:
            QuotaExceeded: too many conversations are open.
        """
        ...

    async def say(self, tenant_id: str, conversation_id: str, text: str) -> ConversationReply:
        """Give the agent one message and wait for its whole answer. Messages of one conversation are answered one after another.

        Raises:
            NotFound: ``conversation_not_found``, also for another tenant's conversation and for a closed one.
            UpstreamError: the model failed.
        """
        ...

    async def close(self, tenant_id: str, conversation_id: str) -> None:
        """End the conversation; silent where none is."""
        ...


class LeadModel(Protocol):
    """Reads what a call was worth out of its transcript."""

    @property
    def name(self) -> str:
        """What stands as ``model`` in the analysis."""
        ...

    async def extract(self, transcript: PrivateTranscript, wanted: Mapping[str, JsonValue]) -> LeadReading:
        """The lead, each field with the turn it comes from. The caller sets the deadline and survives any failure.

        Args:
            wanted: the tenant's own fields (``TenantConfig.lead_fields``), a JSON Schema by name.

        Raises:
            UpstreamError: ``model_failed``, ``model_malformed_call``.
        """
        ...


class IssuerKeySource(Protocol):
    """Where the signing keys of people's tokens come from."""

    async def fetch(self) -> Mapping[str, Any]:
        """The issuer's JWK set, as it stands now.

        Raises:
            Unavailable: ``issuer_unreachable``.
        """
        ...


class AnalyticsSink(Protocol):
    """Where the flat rows of finished calls go."""

    async def put(self, row: AnalyticsRow) -> None:
        """Hand over one row. The same call and reading again changes nothing; a later reading of a call takes the place of the earlier
        one, at the latest when rows are queried (the highest ``reading`` counts).

        Raises:
            Unavailable: it can be tried again.
        """
        ...

    async def erase_tenant(self, tenant_id: str) -> bool:
        """Remove every row of a tenant; whether nothing is left."""
        ...


class TraceSink(Protocol):
    """Where the spans of calls go."""

    async def export(self, spans: Sequence[Span]) -> None:
        """Hand them over: whole calls, or what came after one. A span that is handed over again takes the place of the first, or stands
        beside it; its ids are the same.

        Raises:
            Unavailable: they were not taken, or not all of them.
        """
        ...


class WebhookSender(Protocol):
    """Sends a message to an address that a tenant named: never to a private one, without following redirects, with a deadline."""

    def check(self, url: str) -> None:
        """Refuse what can be refused without asking anybody. Raises RequestRejected ``url_not_allowed``."""
        ...

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Sent:
        """One attempt; every failure is told in the answer, none is raised."""
        ...
