"""Builds the control plane: which adapter stands behind which port, from the settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from importlib import metadata
from urllib.parse import urlsplit

from control_plane.access.principal import Kind
from control_plane.access.tokens import TokenRules
from control_plane.api.books import Books
from control_plane.api.guards import LOOPBACK_HOSTS, DoorPolicy
from control_plane.api.services import ApiPolicy, ApiServices, Check, SignIn, always_ready
from control_plane.models.scripted import ScriptedLeads
from control_plane.ports import AnalyticsSink, Conversations, LeadModel, TraceSink, WebhookSender
from control_plane.services.after_call import AfterCall, CallDesks, CallStores, Wake, unheard
from control_plane.services.api_keys import ApiKeyDesk, KeyVault
from control_plane.services.audit import AuditBook, AuditRules, Deed
from control_plane.services.authentication import Authenticator
from control_plane.services.call_traces import CallTraces
from control_plane.services.calls import CallDesk, CallPolicy
from control_plane.services.configs import ConfigDesk
from control_plane.services.conversations import ConversationDesk
from control_plane.services.courier import Courier, Means
from control_plane.services.declared_tools import DeclaredToolDesk
from control_plane.services.drafts import DraftDesk
from control_plane.services.erasure import DELETE_TENANT, ErasedStores, TenantErasure
from control_plane.services.idempotency import IdempotencyBook
from control_plane.services.jobs import JobDesk
from control_plane.services.knowledge import KnowledgeDesk
from control_plane.services.lead_statuses import LeadStatuses
from control_plane.services.leads import LeadDesk, LeadReader
from control_plane.services.live_lines import LineDesk
from control_plane.services.outbox import Outbox
from control_plane.services.people import TokenChecker
from control_plane.services.progress import ProgressBook
from control_plane.services.rates import RateLimiter
from control_plane.services.sessions import SessionDesk, SessionStores
from control_plane.services.tenant_bundles import BundleDesk
from control_plane.services.tenant_heads import TenantHeads
from control_plane.services.tenant_wall import (
    WalledArchive,
    WalledConversations,
    WalledDocuments,
    WalledErasable,
    WalledIndex,
    WalledLeads,
    WalledLedger,
    WalledRecordings,
    WalledTenants,
)
from control_plane.services.tenants import TenantDesk
from control_plane.services.usage import UsageBook
from control_plane.services.webhook_book import Webhook, WebhookBook
from control_plane.services.webhooks import WebhookDesk, WebhookRules
from control_plane.services.webhooks import unheard as unheard_nudge
from nexus.adapters.http_tools import GuardedHttpTools
from nexus.adapters.identifiers import UlidIds
from nexus.adapters.issuer import HttpIssuerKeys
from nexus.adapters.memory import MemoryAnalyticsSink
from nexus.adapters.outbound import GuardedHttp, OutboundRules
from nexus.adapters.seal import AesSeal
from nexus.adapters.tenant_secrets import SealedSecrets
from nexus.adapters.webhook_sender import HttpWebhookSender, SendingRules
from nexus.clock import Clock
from nexus.errors import ConfigurationError
from nexus.ports.calls import LiveLedger
from nexus.ports.documents import DocumentStore
from nexus.ports.secrets import Seal
from nexus.ports.sessions import LeadStore, Recordings, SessionArchive, SessionIndex
from nexus.ports.tenants import TenantStore
from nexus.settings.choices import Environment, TracesName
from nexus.settings.values import Settings


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything the control plane reads and writes."""

    tenants: TenantStore
    archive: SessionArchive
    recordings: Recordings
    index: SessionIndex
    leads: LeadStore
    ledger: LiveLedger
    documents: DocumentStore
    folders: TenantStore
    """Tenants that are edited in place; an empty store where there are none."""
    erased: ErasedStores
    """What else forgets a deleted tenant."""
    door: DocumentStore | None = None
    """``documents`` as they are asked for before and beside a tenant's own things: API keys, heads, counts of requests. None: the same."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is signed with: tickets (PEM), and page cursors; what API keys are hashed with, and webhooks' secrets sealed with."""

    signing_key: str
    cursor_key: bytes
    key_pepper: bytes
    seal_key: bytes


@dataclass(frozen=True, slots=True)
class AfterOutside:
    """What happens outside after a call.

    Attributes:
        sink: takes the rows for analytics.
        sender: sends webhooks.
        wake: hands a call to whoever finishes calls.
        nudge: tells whoever delivers webhooks that something is due.
        traces: keeps the traces of calls; None: nobody does.
    """

    sink: AnalyticsSink = field(default_factory=MemoryAnalyticsSink)
    sender: WebhookSender = field(default_factory=HttpWebhookSender)
    wake: Wake = unheard
    nudge: Callable[[], None] = unheard_nudge
    traces: TraceSink | None = None


@dataclass(frozen=True, slots=True)
class Outside:
    """What comes from outside: the agents in text, the reader of leads, the readiness checks, and where tools may send to."""

    conversations: Conversations
    lead_model: LeadModel
    ready: Callable[[], Awaitable[Mapping[str, Check]]] = always_ready
    after: AfterOutside = field(default_factory=AfterOutside)
    outbound: OutboundRules = field(default_factory=OutboundRules)
    seal: Seal | None = None
    """What keeps tenants' secrets unreadable; None: AES under the installation's own key."""
    ticket_key: Callable[[], Awaitable[str]] | None = None
    """The key that signs tickets now, where it can be turned under a living process."""
    keys_kept_s: float = 0.0
    """So long an API key is believed without another look (``ApiKeyDesk``)."""


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """The API's services, what is done after each call, and the jobs that go on by themselves."""

    services: ApiServices
    after_call: AfterCall
    courier: Courier
    jobs: JobDesk
    traces: CallTraces


def walled(stores: Stores) -> Stores:
    """The same stores behind the second wall (``services.tenant_wall``)."""
    return Stores(
        tenants=WalledTenants(stores.tenants),
        archive=WalledArchive(stores.archive),
        recordings=WalledRecordings(stores.recordings),
        index=WalledIndex(stores.index),
        leads=WalledLeads(stores.leads),
        ledger=WalledLedger(stores.ledger),
        documents=WalledDocuments(stores.documents),
        door=WalledDocuments(stores.door or stores.documents),
        folders=WalledTenants(stores.folders),
        erased=replace(stores.erased, erasable={name: WalledErasable(one) for name, one in stores.erased.erasable.items()}),
    )


def lead_model(settings: Settings) -> LeadModel:
    """Gemini where the settings use it, else the rules that need no key."""
    if not settings.uses_gemini:
        return ScriptedLeads()
    from control_plane.models.gemini import GeminiLeads, LeadAccess  # half a second: not for functions that read no calls

    return GeminiLeads(
        LeadAccess(
            api_key=settings.gemini_api_key.get_secret_value(),
            model=settings.gemini_model,
            base_url=settings.gemini_base_url,
            ca_file=settings.gemini_ca_file,
            timeout_s=settings.gemini_timeout_s,
        )
    )


def trace_sink(settings: Settings) -> TraceSink | None:
    """The collector that the settings name; None where they name none. Raises ConfigurationError."""
    if settings.traces is TracesName.XRAY:
        raise ConfigurationError(
            "setting_invalid", "TRACES=xray is for the functions in AWS; elsewhere name a collector, which can send there."
        )
    if not settings.exports_otlp:
        return None
    try:
        from nexus.adapters.otlp import OtlpTraces  # its messages take Protobuf: not for those who send none
    except ImportError as error:
        raise ConfigurationError(
            "missing_package", "OTEL_EXPORTER_OTLP_ENDPOINT needs opentelemetry-proto: pip install opentelemetry-proto."
        ) from error
    return OtlpTraces(settings.otel_exporter_otlp_endpoint, settings.otel_exporter_otlp_headers.get_secret_value())


def build(settings: Settings, stores: Stores, given: Secrets, outside: Outside, clock: Clock) -> ControlPlane:
    """The whole control plane over the given stores."""
    ids = UlidIds()
    stores = walled(stores)
    door = stores.door or stores.documents
    api_keys = ApiKeyDesk(door, ids, clock, KeyVault(given.key_pepper, given.cursor_key), kept_s=outside.keys_kept_s)
    heads = TenantHeads(door, stores.folders, clock)
    jobs = _jobs(stores, heads, ids, clock, outside.after.sink)
    sessions = SessionDesk(SessionStores(stores.archive, stores.recordings, stores.index, stores.leads), given.cursor_key)
    leads = LeadDesk(stores.leads, LeadStatuses(stores.documents, clock), LeadReader(outside.lead_model), clock, given.cursor_key)
    kept = books(settings, stores, given, ids, clock)
    seal = outside.seal or AesSeal(given.seal_key)
    telling = _telling(stores, Means(outside.after.sender, seal, partial(_note_pause, kept.audit)), clock)
    usage = UsageBook(stores.documents, clock)
    secrets = SealedSecrets(stores.documents, seal, clock)
    drafts = DraftDesk(heads, secrets)
    configs = ConfigDesk(heads, drafts, given.cursor_key)
    webhooks = WebhookDesk(telling.book, telling.courier, telling.means, clock, WebhookRules(given.cursor_key, ids, outside.after.nudge))
    calls = CallPolicy(given.signing_key, settings.engine.value, weights=settings.weights, turned=outside.ticket_key)
    traces = CallTraces(outside.after.traces, clock)
    desks = CallDesks(sessions, leads, telling.outbox, outside.after.sink, usage, traces)
    call_stores = CallStores(stores.archive, stores.leads, stores.tenants)
    after_call = AfterCall(call_stores, desks, ProgressBook(stores.documents, clock), outside.after.wake)
    services = ApiServices(
        tenants=TenantDesk(stores.tenants, heads, jobs, given.cursor_key),
        configs=configs,
        drafts=drafts,
        calls=CallDesk(stores.tenants, stores.ledger, ids, clock, calls),
        lines=LineDesk(stores.ledger, ids),
        sessions=sessions,
        leads=leads,
        conversations=ConversationDesk(stores.tenants, WalledConversations(outside.conversations)),
        api_keys=api_keys,
        authenticator=Authenticator(api_keys, people(settings, clock), required=settings.auth_required),
        usage=usage,
        books=kept,
        webhooks=webhooks,
        after_call=after_call,
        tools=DeclaredToolDesk(configs, drafts, GuardedHttpTools(GuardedHttp(outside.outbound), secrets, clock), ids),
        secrets=secrets,
        knowledge=KnowledgeDesk(heads, ids),
        bundles=BundleDesk(heads, webhooks, secrets, ids),
        policy=_policy(settings, ids, clock),
        ready=outside.ready,
    )
    return ControlPlane(services, after_call, telling.courier, jobs, traces)


@dataclass(frozen=True, slots=True)
class _Telling:
    """What takes events to webhooks."""

    book: WebhookBook
    outbox: Outbox
    means: Means
    courier: Courier


def _telling(stores: Stores, means: Means, clock: Clock) -> _Telling:
    book = WebhookBook(stores.documents)
    outbox = Outbox(book, clock)
    return _Telling(book, outbox, means, Courier(book, outbox, means, clock))


def _policy(settings: Settings, ids: UlidIds, clock: Clock) -> ApiPolicy:
    return ApiPolicy(
        new_request_id=lambda: ids.new("req"),
        now=clock.now,
        door=door_policy(settings),
        media_url=_socket_url(settings.public_url),
        engine=settings.engine.value,
        version=metadata.version("nexus-voice-engine"),
        sign_in=_sign_in(settings),
        sign_in_origins=settings.sign_in_origins,
    )


def _sign_in(settings: Settings) -> SignIn | None:
    """An ID token is made for the client that asked for it: the audience is the client's id."""
    if not settings.oidc_issuer:
        return None
    return SignIn(settings.oidc_issuer, settings.oidc_audience, tuple(settings.oidc_scopes.split()), settings.oidc_roles_claim)


def _with_analytics(erased: ErasedStores, sink: AnalyticsSink) -> ErasedStores:
    return replace(erased, erasable={**erased.erasable, "analytics": sink})


def _jobs(stores: Stores, heads: TenantHeads, ids: UlidIds, clock: Clock, sink: AnalyticsSink) -> JobDesk:
    erasure = TenantErasure(heads, _with_analytics(stores.erased, sink))
    return JobDesk(stores.documents, ids, clock, {DELETE_TENANT: erasure.steps()})


async def _note_pause(audit: AuditBook, webhook: Webhook) -> None:
    deed = Deed("system", "webhooks", "pauseWebhook", webhook.id, request_id="", status=200)
    await audit.note(webhook.tenant_id, deed)


def webhook_sender(settings: Settings, *, emulated: bool = False) -> HttpWebhookSender:
    """Public HTTPS addresses; in development, and where AWS is an emulator of this machine, its own too."""
    return HttpWebhookSender(SendingRules(loopback=emulated or settings.environment is Environment.DEVELOPMENT))


def books(settings: Settings, stores: Stores, given: Secrets, ids: UlidIds, clock: Clock) -> Books:
    """What the conventions of all routes are kept with."""
    limits = {
        Kind.PERSON.value: settings.rate_limit_person,
        Kind.API_KEY.value: settings.rate_limit_api_key,
        Kind.PUBLISHABLE_KEY.value: settings.rate_limit_publishable_key,
    }
    rules = AuditRules(timedelta(days=settings.audit_retention_days), given.cursor_key)
    return Books(
        idempotency=IdempotencyBook(stores.documents, clock, given.cursor_key),
        rates=RateLimiter(stores.door or stores.documents, clock, limits),
        audit=AuditBook(stores.documents, ids, clock, rules),
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
