"""Builds the control plane: which adapter stands behind which port, from the settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from control_plane.access.principal import Kind
from control_plane.access.tokens import TokenRules
from control_plane.api.conventions import Books
from control_plane.api.guards import LOOPBACK_HOSTS, DoorPolicy
from control_plane.api.services import ApiPolicy, ApiServices, Check, always_ready
from control_plane.models.gemini import GeminiLeads, LeadAccess
from control_plane.models.scripted import ScriptedLeads
from control_plane.ports import Conversations, LeadModel
from control_plane.services.after_call import AfterCall
from control_plane.services.api_keys import ApiKeyDesk, KeyVault
from control_plane.services.audit import AuditBook, AuditRules
from control_plane.services.authentication import Authenticator
from control_plane.services.calls import CallDesk, CallPolicy
from control_plane.services.conversations import ConversationDesk
from control_plane.services.idempotency import IdempotencyBook
from control_plane.services.leads import LeadDesk, LeadReader
from control_plane.services.people import TokenChecker
from control_plane.services.rates import RateLimiter
from control_plane.services.sessions import SessionDesk, SessionStores
from control_plane.services.tenant_wall import WalledArchive, WalledDocuments, WalledIndex, WalledLeads, WalledLedger, WalledTenants
from control_plane.services.tenants import TenantDesk
from control_plane.services.usage import UsageBook
from nexus.adapters import keys
from nexus.adapters.embedded import EmbeddedStores, ticket_private_key
from nexus.adapters.identifiers import UlidIds
from nexus.adapters.issuer import HttpIssuerKeys
from nexus.clock import Clock
from nexus.ports import CallLedger, DocumentStore, LeadStore, SessionArchive, SessionIndex, TenantStore
from nexus.settings import Settings


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything the control plane reads and writes."""

    tenants: TenantStore
    archive: SessionArchive
    index: SessionIndex
    leads: LeadStore
    ledger: CallLedger
    documents: DocumentStore


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is signed with: tickets (PEM), and page cursors; and what API keys are hashed with."""

    signing_key: str
    cursor_key: bytes
    key_pepper: bytes


@dataclass(frozen=True, slots=True)
class Outside:
    """What the control plane is given from outside: the agents in text, the reader of leads, the readiness checks."""

    conversations: Conversations
    lead_model: LeadModel
    ready: Callable[[], Awaitable[Mapping[str, Check]]] = always_ready


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """The API's services, and what is done after each call."""

    services: ApiServices
    after_call: AfterCall


def stores_of(embedded: EmbeddedStores) -> Stores:
    """The control plane's share of the stores of one machine; the same values serve the media plane beside it."""
    return Stores(embedded.tenants, embedded.archive, embedded.sessions, embedded.leads, embedded.ledger, embedded.documents)


def walled(stores: Stores) -> Stores:
    """The same stores behind the second wall (``services.tenant_wall``)."""
    return Stores(
        tenants=WalledTenants(stores.tenants),
        archive=WalledArchive(stores.archive),
        index=WalledIndex(stores.index),
        leads=WalledLeads(stores.leads),
        ledger=WalledLedger(stores.ledger),
        documents=WalledDocuments(stores.documents),
    )


def local_secrets(settings: Settings) -> Secrets:
    """Keys under ``DATA_DIR/keys``, made at first use. Raises Unavailable."""
    pepper = Path(settings.api_key_pepper_file or settings.keys_dir / "api-keys")
    return Secrets(ticket_private_key(settings), keys.pepper(settings.keys_dir / "cursors"), keys.pepper(pepper))


def lead_model(settings: Settings) -> GeminiLeads | ScriptedLeads:
    """Gemini where the settings use it (``close`` it at the end), else the rules that need no key."""
    if not settings.uses_gemini:
        return ScriptedLeads()
    return GeminiLeads(
        LeadAccess(
            api_key=settings.gemini_api_key.get_secret_value(),
            model=settings.gemini_model,
            base_url=settings.gemini_base_url,
            ca_file=settings.gemini_ca_file,
            timeout_s=settings.gemini_timeout_s,
        )
    )


def build(settings: Settings, stores: Stores, given: Secrets, outside: Outside, clock: Clock) -> ControlPlane:
    """The whole control plane over the given stores."""
    ids = UlidIds()
    stores = walled(stores)
    api_keys = ApiKeyDesk(stores.documents, ids, clock, KeyVault(given.key_pepper, given.cursor_key))
    sessions = SessionDesk(SessionStores(stores.archive, stores.index, stores.leads), given.cursor_key)
    leads = LeadDesk(stores.leads, LeadReader(outside.lead_model), clock, given.cursor_key)
    usage = UsageBook(stores.documents, clock)
    services = ApiServices(
        tenants=TenantDesk(stores.tenants),
        calls=CallDesk(stores.tenants, stores.ledger, ids, clock, CallPolicy(given.signing_key, engine=settings.engine.value)),
        sessions=sessions,
        leads=leads,
        conversations=ConversationDesk(stores.tenants, outside.conversations),
        api_keys=api_keys,
        authenticator=Authenticator(api_keys, people(settings, clock), required=settings.auth_required),
        usage=usage,
        books=books(settings, stores.documents, given, ids, clock),
        policy=ApiPolicy(
            new_request_id=lambda: ids.new("req"),
            now=clock.now,
            door=door_policy(settings),
            media_url=_socket_url(settings.public_url),
            engine=settings.engine.value,
            version=metadata.version("nexus-voice-engine"),
        ),
        ready=outside.ready,
    )
    return ControlPlane(services, AfterCall(stores.archive, stores.index, sessions, leads, stores.tenants))


def books(settings: Settings, documents: DocumentStore, given: Secrets, ids: UlidIds, clock: Clock) -> Books:
    """What the conventions of all routes are kept with."""
    limits = {
        Kind.PERSON.value: settings.rate_limit_person,
        Kind.API_KEY.value: settings.rate_limit_api_key,
        Kind.PUBLISHABLE_KEY.value: settings.rate_limit_publishable_key,
    }
    rules = AuditRules(timedelta(days=settings.audit_retention_days), given.cursor_key)
    return Books(
        idempotency=IdempotencyBook(documents, clock, given.cursor_key),
        rates=RateLimiter(documents, clock, limits),
        audit=AuditBook(documents, ids, clock, rules),
    )


def people(settings: Settings, clock: Clock) -> TokenChecker | None:
    """Who checks people's tokens; None where no issuer is set."""
    if not settings.oidc_issuer:
        return None
    rules = TokenRules(
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        tenant_claim=settings.oidc_tenant_claim,
        roles_claim=settings.oidc_roles_claim,
    )
    return TokenChecker(HttpIssuerKeys(settings.oidc_issuer, settings.oidc_jwks_url), rules, clock)


def door_policy(settings: Settings) -> DoorPolicy:
    """Loopback names, the address listened on, the public host, and the origins of the settings."""
    public = urlsplit(settings.public_url).hostname or ""
    bound = settings.host if settings.host not in ("0.0.0.0", "::") else ""  # noqa: S104 (compared, not bound)
    hosts = tuple(dict.fromkeys(filter(None, (*LOOPBACK_HOSTS, bound, public))))
    return DoorPolicy(hosts=hosts, origins=tuple(sorted(settings.origins)))


def _socket_url(public_url: str) -> str:
    return "ws" + public_url.removeprefix("http").rstrip("/") if public_url else ""
