"""A typed client of the control plane's REST; ``nexus`` works with it."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import httpx

from local.client.administration import ApiKeys, Configs, Tenants
from local.client.after_calls import FailedItems, Webhooks
from local.client.resources import Calls, Conversations, Leads, Reports, Sessions
from local.client.setup import Bundles, Knowledge, Secrets
from local.client.wire import Patience, Wire

__all__ = ["ControlPlane", "Patience"]


class ControlPlane:
    """A running server: ``ControlPlane("http://localhost:8000").sessions.each("barber_shop_demo")``.

    Args:
        base_url: where it listens.
        api_key: shown with every request, where it asks for one.
        patience: how often a request is repeated.
        transport: another way to the server, for tests.

    Raises:
        NexusError: every method: see ``Wire.ask``.
    """

    def __init__(
        self, base_url: str, api_key: str = "", *, patience: Patience | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        shown = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        http = httpx.Client(base_url=base_url.rstrip("/"), timeout=30.0, trust_env=False, headers=shown, transport=transport)
        self._wire = Wire(http, patience)
        self.tenants = Tenants(self._wire)
        self.configs = Configs(self._wire)
        self.calls = Calls(self._wire)
        self.sessions = Sessions(self._wire)
        self.leads = Leads(self._wire)
        self.conversations = Conversations(self._wire)
        self.api_keys = ApiKeys(self._wire)
        self.reports = Reports(self._wire)
        self.webhooks = Webhooks(self._wire)
        self.failed_items = FailedItems(self._wire)
        self.secrets = Secrets(self._wire)
        self.knowledge = Knowledge(self._wire)
        self.bundles = Bundles(self._wire)

    def __enter__(self) -> ControlPlane:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def ready(self) -> dict[str, Any]:
        """The readiness report."""
        return self._wire.get("/health/ready")

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()
