"""The control plane's share of one machine: its stores under DATA_DIR, and the keys beside them."""

from __future__ import annotations

from pathlib import Path

from control_plane.ports import AnalyticsSink
from control_plane.services.api_keys import ApiKeyDesk, KeyVault
from control_plane.services.erasure import ErasedStores
from control_plane.wiring import Secrets, Stores
from nexus.adapters import keys
from nexus.adapters.embedded import EmbeddedStores, embedded_stores, seal_key, ticket_private_key
from nexus.adapters.identifiers import UlidIds
from nexus.clock import Clock
from nexus.ports.tenants import TenantStore
from nexus.settings.values import Settings


def stores_of(embedded: EmbeddedStores) -> Stores:
    """The control plane's share of the stores of one machine; the same values serve the media plane beside it."""
    return Stores(
        tenants=embedded.tenants,
        archive=embedded.archive,
        recordings=embedded.recordings,
        index=embedded.sessions,
        leads=embedded.leads,
        ledger=embedded.ledger,
        documents=embedded.documents,
        folders=embedded.folders,
        erased=ErasedStores(embedded.erasable, embedded.journal),
    )


def local_secrets(settings: Settings) -> Secrets:
    """Keys under ``DATA_DIR/keys``, made at first use. Raises Unavailable."""
    pepper = Path(settings.api_key_pepper_file or settings.keys_dir / "api-keys")
    cursors, seal = keys.pepper(settings.keys_dir / "cursors"), seal_key(settings)
    return Secrets(ticket_private_key(settings), cursors, keys.pepper(pepper), seal)


def key_desk(settings: Settings, clock: Clock) -> tuple[TenantStore, ApiKeyDesk]:
    """The tenants and API keys of this machine's data folder, without the rest."""
    stores, secrets = embedded_stores(settings), local_secrets(settings)
    return stores.tenants, ApiKeyDesk(stores.documents, UlidIds(), clock, KeyVault(secrets.key_pepper, secrets.cursor_key))


def analytics_sink(settings: Settings) -> AnalyticsSink:
    """Parquet files under ``DATA_DIR/analytics``."""
    from nexus.adapters.parquet import ParquetAnalyticsSink  # DuckDB is no part of what Lambda carries

    return ParquetAnalyticsSink(settings.data_dir / "analytics" / "sessions")
