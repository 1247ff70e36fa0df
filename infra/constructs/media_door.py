"""The load balancer in front of media tasks: TLS, health, access logs, and time for calls to finish."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Annotations, Duration, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from infra.constructs.firewall import Firewall
from infra.constructs.media_task import PORT
from infra.constructs.network import Network
from infra.nag import Reason, acknowledge
from infra.settings import SettingsError, StageName, StageSettings

READY = "/health/ready"
IDLE_S = 120
"""Our sockets ping every 20 s (``media_plane.server.sockets``), so no living call is ever idle for so long."""
LONGEST_DELAY_S = 3600
"""The most that a load balancer waits for the connections of a target that goes."""
_LOGS_PREFIX = "media-door"


def check_door(settings: StageSettings) -> None:
    """Raises SettingsError: no TLS where callers are real, or calls longer than a load balancer waits for."""
    if bool(settings.media_domain) != bool(settings.media_certificate_arn):
        raise SettingsError(
            "media_domain and media_certificate_arn: one needs the other; the certificate is that of the domain, in this region"
        )
    if settings.stage is StageName.PROD and not settings.media_certificate_arn:
        raise SettingsError(
            "media_certificate_arn: stage prod takes calls over TLS only. Ask ACM for a certificate of media_domain in this "
            "region, and say -c media_domain=voice.example.com -c media_certificate_arn=arn:aws:acm:..."
        )
    if settings.max_call_s + 60 > LONGEST_DELAY_S:
        raise SettingsError(
            f"max_call_s: {settings.max_call_s} is more than {LONGEST_DELAY_S - 60}: a load balancer cuts what a leaving task carries "
            f"after {LONGEST_DELAY_S} s, so a longer call could not live through a deployment"
        )


@dataclass(frozen=True, slots=True)
class DoorParts:
    """``logs``: the bucket of access logs."""

    network: Network
    logs: s3.IBucket


class MediaDoor(Construct):
    """Attributes: ``group`` (the tasks' target group), ``security_group``, ``public_url``, ``balancer``."""

    def __init__(self, scope: Construct, id: str, *, settings: StageSettings, parts: DoorParts) -> None:
        super().__init__(scope, id)
        check_door(settings)
        self._settings = settings
        self._parts = parts
        self._secure = bool(settings.media_certificate_arn)
        self.security_group = self._security_group()
        self.balancer = self._balancer()
        self._log()
        self.group = self._target_group()
        self._listen()
        if self._secure and settings.waf:
            self._guard()
        self.public_url = f"https://{settings.media_domain}" if self._secure else f"http://{self.balancer.load_balancer_dns_name}"
        if self._secure and settings.hosted_zone_id and settings.hosted_zone_name:
            self._name()

    def _security_group(self) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self, "Group", vpc=self._parts.network.vpc, description="Callers to the load balancer", allow_all_outbound=False
        )
        if self._secure:
            group.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "callers, over TLS")
            acknowledge(group, Reason("AwsSolutions-EC23", "Callers come from anywhere; behind the port is TLS and a single-use ticket."))
        else:
            group.add_ingress_rule(ec2.Peer.ipv4(self._settings.vpc_cidr), ec2.Port.tcp(80), "the VPC itself; no certificate was given")
        return group

    def _balancer(self) -> elbv2.ApplicationLoadBalancer:
        network = self._parts.network
        if not self._secure:
            Annotations.of(self).add_warning_v2(
                "nexus:no-tls", "No media_certificate_arn: the load balancer is reached from inside the VPC only, without TLS."
            )
        return elbv2.ApplicationLoadBalancer(
            self,
            "Balancer",
            vpc=network.vpc,
            vpc_subnets=network.public if self._secure else network.private,
            internet_facing=self._secure,
            security_group=self.security_group,
            idle_timeout=Duration.seconds(IDLE_S),
            drop_invalid_header_fields=True,
            deletion_protection=self._settings.keep_data,
            desync_mitigation_mode=elbv2.DesyncMitigationMode.STRICTEST,
        )

    def _log(self) -> None:
        """By attributes: CDK's own method wants to know the region. A ticket is in no URL, and headers are not logged."""
        bucket = self._parts.logs
        for name, value in (("enabled", "true"), ("bucket", bucket.bucket_name), ("prefix", _LOGS_PREFIX)):
            self.balancer.set_attribute(f"access_logs.s3.{name}", value)
        account = Stack.of(bucket).account
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid="MediaDoor",
                principals=[iam.ServicePrincipal("logdelivery.elasticloadbalancing.amazonaws.com")],
                actions=["s3:PutObject"],
                resources=[bucket.arn_for_objects(f"{_LOGS_PREFIX}/AWSLogs/{account}/*")],
                conditions={"StringEquals": {"aws:SourceAccount": account}},
            )
        )

    def _target_group(self) -> elbv2.ApplicationTargetGroup:
        return elbv2.ApplicationTargetGroup(
            self,
            "Tasks",
            vpc=self._parts.network.vpc,
            port=PORT,
            protocol=elbv2.ApplicationProtocol.HTTP,
            target_type=elbv2.TargetType.IP,
            deregistration_delay=Duration.seconds(self._settings.max_call_s + 60),
            load_balancing_algorithm_type=elbv2.TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS,
            health_check=elbv2.HealthCheck(
                path=READY,
                port=str(PORT),
                healthy_http_codes="200",
                interval=Duration.seconds(5),
                timeout=Duration.seconds(3),
                healthy_threshold_count=2,
                unhealthy_threshold_count=3,
            ),
        )

    def _listen(self) -> None:
        if self._secure:
            self.balancer.add_listener(
                "Tls",
                port=443,
                open=False,
                certificates=[acm.Certificate.from_certificate_arn(self, "Certificate", self._settings.media_certificate_arn)],
                ssl_policy=elbv2.SslPolicy.TLS13_RES,
                default_target_groups=[self.group],
            )
        else:
            self.balancer.add_listener(
                "Plain", port=80, protocol=elbv2.ApplicationProtocol.HTTP, open=False, default_target_groups=[self.group]
            )

    def _guard(self) -> None:
        """The firewall sees how a socket is asked for, and nothing of what is said on it."""
        firewall = Firewall(self, "Firewall", settings=self._settings, reach="REGIONAL")
        waf.CfnWebACLAssociation(self, "Guarded", resource_arn=self.balancer.load_balancer_arn, web_acl_arn=firewall.arn)

    def _name(self) -> None:
        told = self._settings
        zone = route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=told.hosted_zone_id, zone_name=told.hosted_zone_name
        )
        route53.ARecord(
            self,
            "Name",
            zone=zone,
            record_name=f"{told.media_domain}.",
            target=route53.RecordTarget.from_alias(targets.LoadBalancerTarget(self.balancer)),
        )
