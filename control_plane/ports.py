"""What the control plane alone asks of the outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nexus.domain.lead import LeadObject
from nexus.domain.session import PrivateTranscript, ToolUse
from nexus.domain.tenant import TenantConfig


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

    async def extract(self, transcript: PrivateTranscript) -> LeadObject:
        """The lead. The caller sets the deadline and survives any failure.

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
