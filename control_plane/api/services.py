"""What the API is given: the use cases behind its routes, and its own policy.

No web framework is imported for it: functions that have no routes are given it too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from control_plane.api.books import Books
from control_plane.api.guards import DoorPolicy
from control_plane.services.after_call import AfterCall
from control_plane.services.api_keys import ApiKeyDesk
from control_plane.services.authentication import Authenticator
from control_plane.services.calls import CallDesk
from control_plane.services.configs import ConfigDesk
from control_plane.services.conversations import ConversationDesk
from control_plane.services.declared_tools import DeclaredToolDesk
from control_plane.services.drafts import DraftDesk
from control_plane.services.knowledge import KnowledgeDesk
from control_plane.services.leads import LeadDesk
from control_plane.services.live_lines import LineDesk
from control_plane.services.sessions import SessionDesk
from control_plane.services.tenant_bundles import BundleDesk
from control_plane.services.tenants import TenantDesk
from control_plane.services.usage import UsageBook
from control_plane.services.webhooks import WebhookDesk
from nexus.ports.secrets import SecretStore


@dataclass(frozen=True, slots=True)
class Check:
    """One finding of the readiness probe; ``detail`` names the fix and holds no secret."""

    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SignIn:
    """How people prove who they are; nothing of it is secret.

    Attributes:
        client_id: for whom their tokens are made.
        scopes: what to ask the issuer's sign-in page for; none: people are not sent there.
        roles_claim: where a token lists a person's roles.
    """

    issuer: str
    client_id: str
    scopes: tuple[str, ...]
    roles_claim: str


@dataclass(frozen=True, slots=True)
class ApiPolicy:
    """How the API presents itself.

    Attributes:
        door: whom it answers.
        media_url: where sockets open (``ws://`` or ``wss://``, no path); empty: at the same host and port as the request.
        engine, version, sign_in: told in ``/v1/.well-known/nexus``; ``sign_in`` is None where only API keys are taken.
        sign_in_origins: where the console asks while a person signs in.
        new_request_id, now: ids and time for requests.
    """

    new_request_id: Callable[[], str]
    now: Callable[[], datetime]
    door: DoorPolicy = field(default_factory=DoorPolicy)
    media_url: str = ""
    engine: str = "cascade"
    version: str = "0"
    sign_in: SignIn | None = None
    sign_in_origins: tuple[str, ...] = ()


async def always_ready() -> Mapping[str, Check]:
    """A readiness probe without findings."""
    return {}


@dataclass(frozen=True, slots=True)
class ApiServices:
    """The use cases. ``ready`` gives the named checks of the readiness probe."""

    tenants: TenantDesk
    configs: ConfigDesk
    drafts: DraftDesk
    calls: CallDesk
    lines: LineDesk
    sessions: SessionDesk
    leads: LeadDesk
    conversations: ConversationDesk
    api_keys: ApiKeyDesk
    authenticator: Authenticator
    usage: UsageBook
    books: Books
    policy: ApiPolicy
    webhooks: WebhookDesk
    after_call: AfterCall
    tools: DeclaredToolDesk
    secrets: SecretStore
    knowledge: KnowledgeDesk
    bundles: BundleDesk
    ready: Callable[[], Awaitable[Mapping[str, Check]]] = always_ready
