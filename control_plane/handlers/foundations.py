"""What every function stands on: its environment, the stores, the keys. No web framework and no model is imported for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from control_plane.access.tokens import TokenRules
from control_plane.handlers.environment import HandlerEnvironment, Keys, raw, read_environment, read_keys
from control_plane.services.api_keys import ApiKeyDesk, KeyVault
from control_plane.services.authentication import Authenticator
from control_plane.services.people import TokenChecker
from nexus.adapters.aws import AwsPlace, AwsStores, aws_stores
from nexus.adapters.aws.secret import read_secret
from nexus.adapters.issuer import HttpIssuerKeys
from nexus.clock import Clock
from nexus.errors import ConfigurationError
from nexus.settings.choices import AuthMode, Environment
from nexus.settings.values import Settings, load_settings

KEYS_KEPT_S = 30.0
"""So long a warm function believes an API key without another look: a revocation is seen everywhere after it."""


@dataclass(frozen=True, slots=True)
class Foundations:
    """One of each, for as long as the process lives."""

    environment: HandlerEnvironment
    settings: Settings
    keys: Keys
    stores: AwsStores
    clock: Clock


def foundations(*needs: str) -> Foundations:
    """Read and check everything that the function is told. Blocks for one request, of Secrets Manager, where it works with keys.

    Args:
        needs: the fields of ``Keys`` that the function works with.

    Raises:
        ConfigurationError: the environment or the secret lacks something.
        Unavailable: the secret cannot be read.
    """
    environment = read_environment()
    place = AwsPlace(environment.nexus_table, environment.nexus_bucket, fleet=environment.nexus_fleet)
    stores = aws_stores(place, environment.nexus_tenant_role_arn)
    keys = _keys(environment, stores, needs)
    # Whatever else the environment says: what answers the internet is production, and asks for a credential.
    settings = load_settings(
        None, environment=Environment.PRODUCTION, auth=AuthMode.REQUIRED, gemini_api_key=keys.gemini_api_key.get_secret_value()
    )
    return Foundations(environment, settings, keys, stores, Clock())


def _keys(environment: HandlerEnvironment, stores: AwsStores, needs: Sequence[str]) -> Keys:
    """Whoever works with none reads none. With KMS, ``seal`` opens what was sealed before it, and may be missing."""
    named = environment.nexus_keys_secret
    held = read_secret(stores.connection, named) if needs and named else {}
    wanted = [name for name in needs if name in held or name != "seal" or not environment.nexus_kms_key]
    if wanted and not named:
        raise ConfigurationError("setting_invalid", f"NEXUS_KEYS_SECRET: must name the secret with {', '.join(wanted)}.")
    return read_keys(held, wanted)


def authenticator(of: Foundations) -> Authenticator:
    """Who finds out who asks, by API keys and people's tokens."""
    vault = KeyVault(raw(of.keys.api_keys), raw(of.keys.cursors))
    settings, people = of.settings, None
    if settings.oidc_issuer:
        rules = TokenRules(settings.oidc_issuer, settings.oidc_audience, settings.oidc_tenant_claim, settings.oidc_roles_claim)
        people = TokenChecker(HttpIssuerKeys(settings.oidc_issuer, settings.oidc_jwks_url), rules, of.clock)
    return Authenticator(ApiKeyDesk(of.stores.door, of.stores.ids, of.clock, vault, kept_s=KEYS_KEPT_S), people)
