"""The table: which operation asks for which permission, and who holds it. Every operation of the API has exactly one row.

A new route adds its row here; a test fails for an operation without one, and the guard refuses it.
``tests/golden/access.json`` holds the same decisions a second time, so that a change here is seen twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from control_plane.access.principal import Role

Reach = Literal["tenant", "own", "platform", "public"]

ADMINS = frozenset({Role.PLATFORM_ADMIN, Role.TENANT_ADMIN})
READERS = frozenset({Role.PLATFORM_ADMIN, Role.TENANT_ADMIN, Role.TENANT_VIEWER})
ANALYSTS = READERS | {Role.ANALYST}
PLATFORM = frozenset({Role.PLATFORM_ADMIN})
NOBODY: frozenset[Role] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """One row.

    Attributes:
        permission: ``resource:read`` or ``resource:write``; API keys name it as a scope.
        roles: people who hold it.
        reach: ``tenant``: the tenant in the path; ``own``: no tenant in the path, one sees what is one's own (the route enters the tenant
            it works for); ``platform``: the operator's; ``public``: no credential at all.
        keys: an API key that has the permission as a scope holds it.
        publishable: a publishable browser key holds it too.
        test_mode: a key of test mode may use it (the route keeps it to test calls).
    """

    permission: str
    roles: frozenset[Role]
    reach: Reach = "tenant"
    keys: bool = True
    publishable: bool = False
    test_mode: bool = False


_PUBLIC = Rule("", NOBODY, reach="public", keys=False)

MATRIX: Mapping[str, Rule] = {
    # service
    "getLiveness": _PUBLIC,
    "getReadiness": _PUBLIC,
    "getCheck": _PUBLIC,
    "getHealth": _PUBLIC,
    "describeService": _PUBLIC,
    # tenants
    "listTenants": Rule("tenants:read", ANALYSTS, reach="own", test_mode=True),
    "getTenant": Rule("tenants:read", ANALYSTS, test_mode=True),
    "createTenant": Rule("tenants:write", PLATFORM, reach="platform", keys=False),
    "importTenant": Rule("tenants:write", PLATFORM, reach="platform", keys=False),
    "exportTenant": Rule("tenants:export", ADMINS, keys=False),
    "updateTenant": Rule("tenants:write", ADMINS, keys=False),
    "suspendTenant": Rule("tenants:suspend", PLATFORM, keys=False),
    "resumeTenant": Rule("tenants:suspend", PLATFORM, keys=False),
    "deleteTenant": Rule("tenants:delete", PLATFORM, keys=False),
    "getJob": Rule("tenants:read", ANALYSTS),
    # configuration: it holds prompt and knowledge, which analysts have no use for
    "getConfig": Rule("config:read", READERS),
    "listConfigVersions": Rule("config:read", READERS),
    "getConfigVersion": Rule("config:read", READERS),
    "getConfigDraft": Rule("config:read", READERS),
    "validateConfig": Rule("config:read", READERS),
    "putConfigDraft": Rule("config:write", ADMINS),
    "deleteConfigDraft": Rule("config:write", ADMINS),
    "publishConfig": Rule("config:publish", ADMINS),
    "rollbackConfig": Rule("config:publish", ADMINS),
    "startCanary": Rule("config:publish", ADMINS),
    "promoteCanary": Rule("config:publish", ADMINS),
    "abortCanary": Rule("config:publish", ADMINS),
    # uploaded knowledge: part of what the agent is
    "createKnowledge": Rule("knowledge:write", ADMINS),
    "listKnowledge": Rule("knowledge:read", READERS),
    "getKnowledge": Rule("knowledge:read", READERS),
    "replaceKnowledge": Rule("knowledge:write", ADMINS),
    "deleteKnowledge": Rule("knowledge:write", ADMINS),
    "retryKnowledge": Rule("knowledge:write", ADMINS),
    # calls
    "createCall": Rule("calls:write", ADMINS, publishable=True, test_mode=True),
    "getCall": Rule("calls:read", READERS, test_mode=True),
    "endCall": Rule("calls:write", ADMINS, test_mode=True),
    "sayInCall": Rule("calls:write", ADMINS, test_mode=True),
    "injectIntoCall": Rule("calls:write", ADMINS, test_mode=True),
    # sessions
    "listSessions": Rule("sessions:read", ANALYSTS),
    "getSession": Rule("sessions:read", ANALYSTS, test_mode=True),
    "getTranscript": Rule("sessions:read", ANALYSTS, test_mode=True),
    "getRecording": Rule("sessions:read", READERS, test_mode=True),
    "reanalyzeSession": Rule("sessions:write", ADMINS),
    "listFailedItems": Rule("sessions:read", READERS),
    "redriveFailedItems": Rule("sessions:write", ADMINS),
    # leads
    "listLeads": Rule("leads:read", ANALYSTS),
    "getLead": Rule("leads:read", ANALYSTS),
    "exportLeads": Rule("leads:read", ANALYSTS),
    "updateLead": Rule("leads:write", ADMINS),
    # webhooks
    "createWebhook": Rule("webhooks:write", ADMINS),
    "listWebhooks": Rule("webhooks:read", READERS),
    "getWebhook": Rule("webhooks:read", READERS),
    "updateWebhook": Rule("webhooks:write", ADMINS),
    "deleteWebhook": Rule("webhooks:write", ADMINS),
    "rotateWebhookSecret": Rule("webhooks:write", ADMINS),
    "testWebhook": Rule("webhooks:write", ADMINS),
    "listDeliveries": Rule("webhooks:read", READERS),
    "redeliverWebhook": Rule("webhooks:write", ADMINS),
    # declared tools and their secrets
    "putSecret": Rule("secrets:write", ADMINS),
    "listSecrets": Rule("secrets:read", ADMINS),
    "deleteSecret": Rule("secrets:write", ADMINS),
    "testTool": Rule("tools:write", ADMINS),
    # conversations
    "initSession": Rule("conversations:write", ADMINS, reach="own"),
    "openConversation": Rule("conversations:write", ADMINS),
    "sendMessage": Rule("conversations:write", ADMINS),
    "endConversation": Rule("conversations:write", ADMINS),
    # usage and audit
    "getUsage": Rule("usage:read", ANALYSTS),
    "listAuditEvents": Rule("audit:read", ADMINS),
    "listPlatformAuditEvents": Rule("audit:read", PLATFORM, reach="platform", keys=False),
    # api keys: made by people only, so that no key can make a mightier one
    "createApiKey": Rule("api_keys:write", ADMINS, keys=False),
    "listApiKeys": Rule("api_keys:read", ADMINS, keys=False),
    "getApiKey": Rule("api_keys:read", ADMINS, keys=False),
    "rotateApiKey": Rule("api_keys:write", ADMINS, keys=False),
    "revokeApiKey": Rule("api_keys:write", ADMINS, keys=False),
}


def scopes() -> frozenset[str]:
    """Every permission that an API key can be given."""
    return frozenset(rule.permission for rule in MATRIX.values() if rule.keys and rule.reach in ("tenant", "own"))
