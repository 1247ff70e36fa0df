"""The tenant access role, narrowed to one tenant: credentials that follow the tenant to which the work at hand is bound.

One client serves all tenants: botocore asks for credentials each time it signs, and is given those of the tenant in ``nexus.context``,
not of the tenant that a key names. So code that asks for another tenant's item asks with the wrong rights.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from botocore.credentials import Credentials, ReadOnlyCredentials

from nexus.adapters.aws.connection import AwsPlace, Connection
from nexus.adapters.aws.policy import for_an_emulator, tenant_session_policy
from nexus.context import current
from nexus.errors import ConfigurationError

SESSION_S = 1800
USED_S = 900
"""So long a session is used. What it signs (an address of a recording) is good for as long again."""
MOST_SESSIONS = 256


@dataclass(frozen=True, slots=True)
class Arns:
    """What the policy names."""

    role: str
    table: str
    bucket: str


def arns(role: str, place: AwsPlace, region: str) -> Arns:
    """The ARNs of the table and the bucket in the account of the role. Raises ConfigurationError ``setting_invalid``."""
    parts = role.split(":")
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "iam" or not parts[5].startswith("role/"):
        raise ConfigurationError("setting_invalid", f"NEXUS_TENANT_ROLE_ARN: {role!r} is no ARN of a role.")
    table = f"arn:{parts[1]}:dynamodb:{region}:{parts[4]}:table/{place.table}"
    return Arns(role, table, f"arn:{parts[1]}:s3:::{place.bucket}")


class TenantSessions(Credentials):
    """Sessions of the role, one a tenant, the one used longest ago forgotten first.

    Args:
        own: asks STS, under the process's own role.
        role: ARN of the tenant access role.
        monotonic_s: the time that sessions are held against.
    """

    def __init__(self, own: Connection, role: str, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__("of-each-tenant", "of-each-tenant")
        self._own = own
        self._role = role
        self._monotonic_s = monotonic_s
        self._kept: OrderedDict[str, tuple[float, ReadOnlyCredentials]] = OrderedDict()
        self._asking = threading.Lock()

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """What botocore signs with. Blocks, in the thread of the request, while STS is asked.

        Raises:
            RuntimeError: the work is bound to no tenant.
            ClientError: STS refuses.
        """
        tenant_id = current().tenant_id
        if not tenant_id:
            raise RuntimeError("a tenant's store is asked by work that is bound to no tenant: wrap it in working_for(tenant_id=...)")
        with self._asking:
            kept = self._kept.get(tenant_id)
            if kept is None or self._monotonic_s() >= kept[0] + USED_S:
                kept = self._monotonic_s(), self._begun(tenant_id)
            self._kept[tenant_id] = kept
            self._kept.move_to_end(tenant_id)
            if len(self._kept) > MOST_SESSIONS:
                self._kept.popitem(last=False)
        return kept[1]

    def _begun(self, tenant_id: str) -> ReadOnlyCredentials:
        sts = self._own.client("sts")
        named = arns(self._role, self._own.place, sts.meta.region_name)
        policy = tenant_session_policy(named.table, named.bucket, tenant_id)
        if self._own.on_this_machine("sts"):
            policy = for_an_emulator(policy)
        given = sts.assume_role(
            RoleArn=named.role,
            RoleSessionName=f"nexus-{tenant_id}"[:64],
            Policy=json.dumps(policy, separators=(",", ":")),
            DurationSeconds=SESSION_S,
        )["Credentials"]
        return ReadOnlyCredentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


class TenantProvider:
    """Gives the sessions to botocore as its credentials."""

    METHOD = "nexus-tenant-sessions"
    CANONICAL_NAME = METHOD

    def __init__(self, sessions: TenantSessions) -> None:
        self._sessions = sessions

    def load(self) -> TenantSessions:
        """The credentials."""
        return self._sessions
