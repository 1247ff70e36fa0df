"""The console's stack: private files, one name for console and API, nothing cached that is somebody's, a firewall before it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from control_plane.api import border
from infra.constructs.firewall import COUNTED
from infra.settings import SettingsError
from infra.stacks.console import API_PATHS, CONTENT_POLICY
from tests.synth import Assembly, synthesised

GIVEN_ACL = "arn:aws:wafv2:us-east-1:111122223333:global/webacl/ours/00000000-0000-0000-0000-000000000000"
LATER = "known-when-deployed"
# Managed policies of CloudFront, by the ids that AWS gives.
NOT_CACHED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_BUT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"


@pytest.fixture
def prod() -> Assembly:
    return synthesised("prod")


def one(of: Assembly, part: str, kind: str) -> dict[str, Any]:
    (found,) = of.of(part, kind).values()
    return dict(found["Properties"])


def distribution(of: Assembly) -> dict[str, Any]:
    return dict(one(of, "Console", "AWS::CloudFront::Distribution")["DistributionConfig"])


def test_only_this_distribution_reads_the_files(prod: Assembly) -> None:
    policies = json.dumps([told["Properties"] for told in prod.of("Console", "AWS::S3::BucketPolicy").values()])
    assert policies.count('"Service": "cloudfront.amazonaws.com"') == 1 and "AWS:SourceArn" in policies
    files = next(origin for origin in distribution(prod)["Origins"] if "S3OriginConfig" in origin)
    assert files["OriginAccessControlId"]
    control = one(prod, "Console", "AWS::CloudFront::OriginAccessControl")["OriginAccessControlConfig"]
    assert (control["SigningBehavior"], control["SigningProtocol"]) == ("always", "sigv4")


def test_the_api_is_reached_uncached_with_every_header_but_the_host(prod: Assembly) -> None:
    told = distribution(prod)
    api = next(origin["Id"] for origin in told["Origins"] if "CustomOriginConfig" in origin)
    assert {each["PathPattern"] for each in told["CacheBehaviors"]} == set(API_PATHS)
    for each in told["CacheBehaviors"]:
        assert each["TargetOriginId"] == api
        assert (each["CachePolicyId"], each["OriginRequestPolicyId"]) == (NOT_CACHED, ALL_BUT_HOST)
        assert set(each["AllowedMethods"]) >= {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
        assert each["ViewerProtocolPolicy"] == "https-only"
    origin = next(each["CustomOriginConfig"] for each in told["Origins"] if "CustomOriginConfig" in each)
    assert (origin["OriginProtocolPolicy"], origin["OriginSSLProtocols"]) == ("https-only", ["TLSv1.2"])


def test_faults_of_the_api_are_not_turned_into_pages(prod: Assembly) -> None:
    assert "CustomErrorResponses" not in distribution(prod)


def test_the_page_may_do_what_the_embedded_one_may_and_opens_sockets_at_the_media_plane(prod: Assembly) -> None:
    policy = one(prod, "Console", "AWS::CloudFront::ResponseHeadersPolicy")["ResponseHeadersPolicyConfig"]
    said = json.dumps(policy["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"])
    assert "wss://voice.example.com" in said
    assert policy["SecurityHeadersConfig"]["StrictTransportSecurity"]["AccessControlMaxAgeSec"] == 365 * 86400
    own = border._CONTENT_POLICY.format(others=" {others}")
    assert CONTENT_POLICY.replace(" {recordings}", "") == own, "what the API says of itself is what the console needs"


def test_the_page_asks_cognito_only_where_people_sign_in_there(prod: Assembly) -> None:
    asked = [f"https://cognito-idp.{LATER}.amazonaws.com", f"https://acme-nexus.auth.{LATER}.amazoncognito.com"]
    there = synthesised("prod", cognito_domain_prefix="acme-nexus")
    policy, without = (content_policy(each) for each in (there, prod))
    assert [source for source in asked if source not in policy["connect-src"]] == []
    assert not any("cognito" in source for source in without["connect-src"])
    assert "cognito" not in " ".join(source for name, sources in policy.items() if name != "connect-src" for source in sources)
    api = json.dumps(there.templates["Control"])
    assert '"OIDC_SCOPES": "openid"' in api and "OIDC_SCOPES" not in json.dumps(prod.templates["Control"])


def content_policy(of: Assembly) -> dict[str, list[str]]:
    """By directive. What is known only when it is deployed has no spaces."""
    headers = one(of, "Console", "AWS::CloudFront::ResponseHeadersPolicy")["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    said = flat(headers["ContentSecurityPolicy"]["ContentSecurityPolicy"])
    return {name: sources for name, *sources in (each.split() for each in said.split(";"))}


def flat(value: Any) -> str:
    """A text of a template; what is known when it is deployed by one word."""
    if isinstance(value, dict) and "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(flat(part) for part in parts)
    return value if isinstance(value, str) else LATER


def test_what_is_spoken_is_tls_and_what_is_asked_is_logged(prod: Assembly) -> None:
    told = distribution(prod)
    assert told["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    assert told["Aliases"] == ["console.example.com"]
    assert (told["Logging"]["Prefix"], told["Logging"].get("IncludeCookies", False)) == ("console/", False)


def test_the_files_are_put_when_they_change_by_who_may_write_there_only(prod: Assembly) -> None:
    put = one(prod, "Console", "Custom::NexusConsoleFiles")
    assert len(put["Files"]) == 64
    (policy,) = prod.of("Console", "AWS::IAM::Policy").values()
    said = policy["Properties"]["PolicyDocument"]["Statement"]
    of_s3 = {action for each in said for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])}
    assert {action for action in of_s3 if action.startswith("s3:")} == {"s3:PutObject", "s3:DeleteObject", "s3:ListBucket"}


def test_the_firewall_stands_before_console_api_and_sockets(prod: Assembly) -> None:
    edge = one(prod, "Edge", "AWS::WAFv2::WebACL")
    assert edge["Scope"] == "CLOUDFRONT"
    told = distribution(prod)["WebACLId"]["Fn::GetStackOutput"]
    assert told == {"StackName": "Nexus-prod-Edge", "Region": "us-east-1", "OutputName": "WebAclArn"}
    assert "WebAclArn" in prod.templates["Edge"]["Outputs"]
    assert one(prod, "Media", "AWS::WAFv2::WebACL")["Scope"] == "REGIONAL"
    assert "Ref" in one(prod, "Media", "AWS::WAFv2::WebACLAssociation")["ResourceArn"]


def test_the_firewall_limits_addresses_and_only_counts_what_prompts_may_hold(prod: Assembly) -> None:
    for part in ("Edge", "Media"):
        limit, common, inputs = one(prod, part, "AWS::WAFv2::WebACL")["Rules"]
        assert limit["Statement"]["RateBasedStatement"]["Limit"] == 6000
        assert limit["Action"]["Block"]["CustomResponse"]["ResponseCode"] == 429
        told = common["Statement"]["ManagedRuleGroupStatement"]
        assert {each["Name"] for each in told["RuleActionOverrides"]} == set(COUNTED)
        assert inputs["Statement"]["ManagedRuleGroupStatement"]["Name"] == "AWSManagedRulesKnownBadInputsRuleSet"


def test_the_firewall_keeps_no_credential(prod: Assembly) -> None:
    for part in ("Edge", "Media"):
        acl = one(prod, part, "AWS::WAFv2::WebACL")
        assert not any(each["VisibilityConfig"]["SampledRequestsEnabled"] for each in [acl, *acl["Rules"]]), "samples hold headers"
        logging = one(prod, part, "AWS::WAFv2::LoggingConfiguration")
        redacted = {each["SingleHeader"]["Name"] for each in logging["RedactedFields"]}
        assert redacted == {"authorization", "cookie", "sec-websocket-protocol"}
        assert logging["LoggingFilter"]["DefaultBehavior"] == "DROP"


def test_a_firewall_that_is_given_is_taken_and_none_is_none() -> None:
    given = synthesised("dev", edge_waf_arn=GIVEN_ACL)
    assert "Edge" not in given.templates and distribution(given)["WebACLId"] == GIVEN_ACL
    without = synthesised("dev", waf=False)
    assert "Edge" not in without.templates and "WebACLId" not in distribution(without)
    assert [each for each in without.findings if each.startswith("error")] == []


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"console_domain": "console.example.com"}, "console_certificate_arn"),
        (
            {
                "console_domain": "console.example.com",
                "console_certificate_arn": "arn:aws:acm:eu-west-1:111122223333:certificate/00000000-0000-0000-0000-000000000000",
            },
            "us-east-1",
        ),
    ],
)
def test_a_name_without_a_certificate_that_cloudfront_takes_is_refused(said: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        synthesised("dev", **said)


def test_the_console_of_a_name_may_open_calls_and_use_the_api(prod: Assembly) -> None:
    told = json.dumps([prod.templates["Control"], prod.templates["Media"]])
    assert told.count("https://console.example.com") >= 2, "functions and media tasks know its origin"
