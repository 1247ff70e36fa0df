"""A web ACL of AWS WAF: AWS's own rules, and so many requests an address. It stands before the guards of our code, in place of none."""

from __future__ import annotations

from typing import Literal

from aws_cdk import CfnTag, RemovalPolicy
from aws_cdk import aws_logs as logs
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from infra.constructs.function import retention
from infra.settings import StageSettings

Reach = Literal["CLOUDFRONT", "REGIONAL"]
COUNTED = (
    "SizeRestrictions_BODY",
    "CrossSiteScripting_BODY",
    "GenericLFI_BODY",
    "GenericRFI_BODY",
    "EC2MetaDataSSRF_BODY",
    "NoUserAgent_HEADER",
)
"""Rules that only count. Prompts and knowledge are long, and may speak of scripts, files and addresses: JSON that our code checks and never
runs. Telephone servers send no User-Agent."""
WINDOW_S = 300
_NOT_LOGGED = ("authorization", "cookie", "sec-websocket-protocol")
"""Headers in which credentials and tickets come."""


class Firewall(Construct):
    """Attributes: ``arn``."""

    def __init__(self, scope: Construct, id: str, *, settings: StageSettings, reach: Reach) -> None:
        super().__init__(scope, id)
        self._settings = settings
        name = f"{settings.name}-{reach.lower()}"
        acl = waf.CfnWebACL(
            self,
            "Acl",
            scope=reach,
            description=f"Nexus {settings.stage}: requests that are refused before our code sees them",
            default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_seen(name),
            rules=[
                self._limit(0),
                _managed(1, "AWSManagedRulesCommonRuleSet", counted=COUNTED),
                _managed(2, "AWSManagedRulesKnownBadInputsRuleSet"),
            ],
            tags=[CfnTag(key="Name", value=name)],
        )
        self.arn = acl.attr_arn
        self._log(name)

    def _limit(self, priority: int) -> waf.CfnWebACL.RuleProperty:
        limit = waf.CfnWebACL.RateBasedStatementProperty(
            aggregate_key_type="IP", limit=self._settings.waf_rate, evaluation_window_sec=WINDOW_S
        )
        return waf.CfnWebACL.RuleProperty(
            name="requests-of-an-address",
            priority=priority,
            statement=waf.CfnWebACL.StatementProperty(rate_based_statement=limit),
            action=waf.CfnWebACL.RuleActionProperty(
                block=waf.CfnWebACL.BlockActionProperty(custom_response=waf.CfnWebACL.CustomResponseProperty(response_code=429))
            ),
            visibility_config=_seen("requests-of-an-address"),
        )

    def _log(self, name: str) -> None:
        """What was blocked, without the headers that hold credentials."""
        group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"aws-waf-logs-{name}",  # WAF writes to groups of this beginning only
            retention=retention(self._settings.log_retention_days),
            removal_policy=RemovalPolicy.DESTROY,
        )
        blocked = {"ActionCondition": {"Action": "BLOCK"}}
        waf.CfnLoggingConfiguration(
            self,
            "Logging",
            resource_arn=self.arn,
            log_destination_configs=[group.log_group_arn.removesuffix(":*")],
            logging_filter={
                "DefaultBehavior": "DROP",
                "Filters": [{"Behavior": "KEEP", "Requirement": "MEETS_ANY", "Conditions": [blocked]}],
            },
            redacted_fields=[waf.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": header}) for header in _NOT_LOGGED],
        )


def _seen(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    """Samples are kept by WAF with their headers, tickets among them: none are."""
    return waf.CfnWebACL.VisibilityConfigProperty(cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False)


def _managed(priority: int, name: str, *, counted: tuple[str, ...] = ()) -> waf.CfnWebACL.RuleProperty:
    count = waf.CfnWebACL.RuleActionProperty(count={})
    group = waf.CfnWebACL.ManagedRuleGroupStatementProperty(
        vendor_name="AWS",
        name=name,
        rule_action_overrides=[waf.CfnWebACL.RuleActionOverrideProperty(name=one, action_to_use=count) for one in counted] or None,
    )
    return waf.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        statement=waf.CfnWebACL.StatementProperty(managed_rule_group_statement=group),
        override_action=waf.CfnWebACL.OverrideActionProperty(none={}),
        visibility_config=_seen(name),
    )
