"""The one decision: may this principal do this operation for this tenant?

Another tenant's things look as if they did not exist: a foreign tenant id is answered exactly like an unknown one, so that nobody can
find out who the other customers are. Within one's own tenant a missing permission is told as what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from control_plane.access.matrix import MATRIX, Rule
from control_plane.access.principal import Kind, Principal
from nexus.errors import NotAuthorised, NotFound


def rule_of(operation_id: str, matrix: Mapping[str, Rule] = MATRIX) -> Rule:
    """The row of an operation. Raises NotAuthorised ``forbidden`` for one without: what nobody decided, nobody may."""
    rule = matrix.get(operation_id)
    if rule is None:
        raise NotAuthorised("forbidden", f"{operation_id or 'This operation'} has no row in control_plane/access/matrix.py.")
    return rule


def authorise(principal: Principal, operation_id: str, tenant_id: str = "", *, matrix: Mapping[str, Rule] = MATRIX) -> None:
    """Let it pass, or raise.

    Args:
        tenant_id: the tenant that the request names; empty where it names none.

    Raises:
        NotFound: ``tenant_not_found`` for a tenant out of reach.
        NotAuthorised: ``credential_missing``, or ``forbidden`` for a lesser role or scope.
    """
    rule = rule_of(operation_id, matrix)
    if rule.reach == "public":
        return
    if principal.kind is Kind.PUBLIC:
        raise credential_missing()
    if (tenant_id or rule.reach == "tenant") and not principal.reaches(tenant_id):
        raise unknown_tenant()
    if rule.reach == "own" and not (principal.is_platform or principal.tenant_id):
        raise NotAuthorised("forbidden", "This credential belongs to no tenant; ask the operator to assign one.")
    if not (holds(principal, rule) and (principal.is_platform or rule.reach != "platform")):
        if principal.test and holds(replace(principal, test=False), rule):
            raise NotAuthorised(
                "forbidden",
                "This key is of test mode: it sees single test calls by their id, and neither lists calls nor sees live ones. "
                f"Use a live key with {rule.permission}.",
            )
        raise NotAuthorised("forbidden", f"This credential does not hold {rule.permission}; ask an admin of the tenant for it.")


def holds(principal: Principal, rule: Rule) -> bool:
    """Whether the permission is among what the principal was given."""
    match principal.kind:
        case Kind.PERSON | Kind.LOCAL:
            return bool(principal.roles & rule.roles)
        case Kind.API_KEY:
            return rule.keys and rule.permission in principal.scopes and (rule.test_mode or not principal.test)
        case Kind.PUBLISHABLE_KEY:
            return rule.publishable
        case Kind.PUBLIC:
            return False


def unknown_tenant() -> NotFound:
    """What a foreign tenant and one that is not there are both answered with."""
    return NotFound("tenant_not_found", "There is no such tenant.")


def credential_missing() -> NotAuthorised:
    """What a request without a credential is answered with."""
    return NotAuthorised("credential_missing", "Send the header Authorization: Bearer with an API key or a person's token.")
