"""The session policy as a document, decided by a small evaluator that follows IAM's rules for what it uses."""

from __future__ import annotations

import fnmatch
import json
from typing import Any

import pytest

from nexus.adapters.aws import keys
from nexus.adapters.aws.keys import TenantContext
from nexus.adapters.aws.policy import tenant_session_policy
from nexus.errors import RequestRejected
from tests.fakes.stored import call_id

TABLE, BUCKET = "arn:aws:dynamodb:us-east-1:123456789012:table/nexus", "arn:aws:s3:::nexus-archive"
LONGEST_POLICY = 2048
"""Characters that AssumeRole takes."""
ACME, OTHER = TenantContext("acme"), TenantContext("acme2")


def _like(pattern: str, value: str) -> bool:
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))


def _holds(operator: str, wanted: Any, key: str, asked: dict[str, list[str]]) -> bool:
    """One condition. ``asked``: the keys of the request's context."""
    if operator == "Null":
        return (key not in asked) == (wanted == "true")
    matched = [any(_like(pattern, value) for pattern in wanted) for value in asked.get(key, [])]
    if operator == "ForAllValues:StringLike":
        return all(matched)  # also of none: that is why Null stands beside it
    assert operator == "StringLike", operator
    return any(matched)


def allowed(policy: dict[str, Any], action: str, resource: str, **asked: list[str]) -> bool:
    """Whether some statement allows it; ``LeadingKeys`` and ``prefix`` are the context."""
    context = {{"LeadingKeys": "dynamodb:LeadingKeys", "prefix": "s3:prefix"}[name]: values for name, values in asked.items()}
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        named = any(_like(one, action) for one in statement["Action"]) and any(_like(one, resource) for one in statement["Resource"])
        conditions = statement.get("Condition", {}).items()
        if named and all(_holds(how, wanted, key, context) for how, told in conditions for key, wanted in told.items()):
            return True
    return False


POLICY = tenant_session_policy(TABLE, BUCKET, "acme")


@pytest.mark.parametrize(
    "partition",
    [
        ACME.partition(),
        keys.documents("acme"),
        keys.sessions(ACME),
        keys.sessions_of_status(ACME, "completed"),
        keys.leads(ACME),
        keys.calls(ACME),
        keys.seats(ACME),
        keys.tool_values(ACME),
        keys.effects(ACME),
    ],
)
def test_own_items_of_every_kind_are_within_reach(partition: str) -> None:
    for resource in (TABLE, f"{TABLE}/index/by-time"):
        assert allowed(POLICY, "dynamodb:Query", resource, LeadingKeys=[partition])
    assert allowed(POLICY, "dynamodb:PutItem", TABLE, LeadingKeys=[partition])


@pytest.mark.parametrize(
    "partitions",
    [
        [keys.documents("acme2")],
        [OTHER.partition()],
        [keys.sessions(ACME), keys.sessions(OTHER)],
        [keys.JOURNALS],
        [keys.documents("_platform")],
        ["TENANT#acm"],
        [""],
    ],
)
def test_another_tenants_and_the_operators_items_are_not(partitions: list[str]) -> None:
    for action in ("GetItem", "Query", "BatchGetItem", "PutItem", "DeleteItem", "UpdateItem", "ConditionCheckItem"):
        assert not allowed(POLICY, f"dynamodb:{action}", TABLE, LeadingKeys=partitions)


def test_a_request_without_keys_is_refused_though_all_of_no_values_match() -> None:
    assert not allowed(POLICY, "dynamodb:Query", TABLE)
    for action in ("Scan", "PartiQLSelect", "DeleteTable", "ExportTableToPointInTime"):
        assert not allowed(POLICY, f"dynamodb:{action}", TABLE)
        assert not allowed(POLICY, f"dynamodb:{action}", TABLE, LeadingKeys=[keys.documents("acme")])


def test_another_table_is_out_of_reach() -> None:
    for resource in (f"{TABLE}2", f"{TABLE}2/index/x", TABLE.replace("us-east-1", "eu-west-1")):
        assert not allowed(POLICY, "dynamodb:GetItem", resource, LeadingKeys=[keys.documents("acme")])


def test_objects_under_the_own_prefix_only() -> None:
    for name in (
        keys.session_object(ACME, call_id(1)),
        keys.private_object(ACME, call_id(1)),
        keys.media_object(ACME, call_id(1), "a.wav"),
    ):
        assert allowed(POLICY, "s3:GetObject", f"{BUCKET}/{name}")
        strange = name.replace("tenant_id=acme/", "tenant_id=acme2/")
        assert strange != name and not allowed(POLICY, "s3:GetObject", f"{BUCKET}/{strange}")
        assert not allowed(POLICY, "s3:GetObject", f"{BUCKET}-of-others/{name}")
        assert not allowed(POLICY, "s3:PutBucketPolicy", BUCKET)
    assert not allowed(POLICY, "s3:GetObject", f"{BUCKET}/expiry/2026-11-21/acme/x")


def test_names_are_listed_under_the_own_prefix_only() -> None:
    assert allowed(POLICY, "s3:ListBucket", BUCKET, prefix=[keys.session_objects(ACME)])
    for prefix in (keys.session_objects(OTHER), "sessions/", "", "sessions/tenant_id=acme"):
        assert not allowed(POLICY, "s3:ListBucket", BUCKET, prefix=[prefix])
    assert not allowed(POLICY, "s3:ListBucket", BUCKET)


def test_it_fits_assume_role_and_takes_no_pattern_for_a_tenant() -> None:
    longest = tenant_session_policy(TABLE, BUCKET, "t" * 63)
    assert len(json.dumps(longest, separators=(",", ":"))) <= LONGEST_POLICY
    for tenant_id in ("*", "acme*", "a?me", "", "acme#x", "_platform", "${aws:username}"):
        with pytest.raises(RequestRejected):
            tenant_session_policy(TABLE, BUCKET, tenant_id)
