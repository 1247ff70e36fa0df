"""The control plane over the stores in AWS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from control_plane import wiring
from control_plane.api.services import ApiServices
from control_plane.handlers.environment import raw
from control_plane.handlers.foundations import KEYS_KEPT_S, Foundations
from control_plane.models.scripted import ScriptedLeads
from control_plane.ports import ConversationReply, LeadModel, OpenConversation, TraceSink
from control_plane.services.erasure import ErasedStores
from nexus.adapters.aws.bucket import Bucket
from nexus.adapters.aws.firehose import FirehoseAnalyticsSink
from nexus.adapters.aws.kms_seal import KmsSeal
from nexus.adapters.aws.queue import CallsQueue
from nexus.adapters.aws.ticket_key import TicketKey
from nexus.adapters.aws.xray import XRayTraces
from nexus.adapters.seal import AesSeal
from nexus.domain.tenant import TenantConfig
from nexus.errors import NotFound, Unavailable
from nexus.settings.choices import TracesName


class NoConversations:
    """A function lives for one request: it can hold no conversation. Text calls go through the media plane."""

    async def open(self, tenant: TenantConfig, phone: str) -> OpenConversation:
        """Raises Unavailable."""
        raise Unavailable("engine_unreachable", "Conversations by REST are for development; order a call and type into it.")

    async def say(self, tenant_id: str, conversation_id: str, text: str) -> ConversationReply:
        """Raises NotFound."""
        raise NotFound("conversation_not_found", "There is no such conversation.")

    async def close(self, tenant_id: str, conversation_id: str) -> None:
        """There is none."""


def control_plane(of: Foundations, *, reads_calls: bool = False) -> wiring.ControlPlane:
    """Every service. ``reads_calls``: the model that reads calls is made too, whose library is slow to import."""
    environment, stores = of.environment, of.stores
    queue = CallsQueue(stores.connection, environment.nexus_calls_queue_url)
    sink = FirehoseAnalyticsSink(stores.connection, environment.nexus_analytics_stream, Bucket(stores.connection))
    model: LeadModel = wiring.lead_model(of.settings) if reads_calls else ScriptedLeads()
    sender = wiring.webhook_sender(of.settings, emulated=stores.connection.on_this_machine("dynamodb"))
    after = wiring.AfterOutside(sink, sender, queue.wake, traces=_traces(of))
    given = _secrets(of)
    outside = wiring.Outside(
        NoConversations(), model, after=after, seal=_seal(of, given), ticket_key=_ticket_key(of), keys_kept_s=KEYS_KEPT_S
    )
    plane = wiring.build(of.settings, _stores(of), given, outside, of.clock)
    return replace(plane, services=_behind_gateway(plane.services))


def _stores(of: Foundations) -> wiring.Stores:
    stores = of.stores
    return wiring.Stores(
        tenants=stores.tenants,
        archive=stores.archive,
        recordings=stores.recordings,
        index=stores.sessions,
        leads=stores.leads,
        ledger=stores.ledger,
        documents=stores.documents,
        door=stores.door,
        folders=stores.folders,
        erased=ErasedStores(stores.erasable, stores.journal),
    )


def _seal(of: Foundations, given: wiring.Secrets) -> KmsSeal | None:
    """KMS, asked under the role of the tenant at hand; None where the environment names no key of it."""
    key = of.environment.nexus_kms_key
    return KmsSeal(of.stores.tenant_connection, key, AesSeal(given.seal_key)) if key else None


def _ticket_key(of: Foundations) -> Callable[[], Awaitable[str]] | None:
    """For the function that signs; the others are given no key."""
    held = of.keys.ticket_private_key.get_secret_value()
    return TicketKey(of.stores.connection, of.environment.nexus_keys_secret, held, of.clock.now).current if held else None


def _traces(of: Foundations) -> TraceSink | None:
    """X-Ray or nobody: a collector's messages are in no bundle, and what a layer says to its own exporter is not said to us."""
    return XRayTraces(of.stores.connection) if of.settings.traces is TracesName.XRAY else None


def _secrets(of: Foundations) -> wiring.Secrets:
    keys = of.keys
    return wiring.Secrets(keys.ticket_private_key.get_secret_value(), raw(keys.cursors), raw(keys.api_keys), raw(keys.seal))


def _behind_gateway(services: ApiServices) -> ApiServices:
    """API Gateway passes on requests for its own host names only, and does not tell us which those are."""
    policy = services.policy
    return replace(services, policy=replace(policy, door=replace(policy.door, hosts=("*",))))
