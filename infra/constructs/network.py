"""The network of the media plane: an own VPC with its endpoints, or the one that the account has already."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.function import retention
from infra.settings import SettingsError, StageSettings

_SERVICES = {
    "EcrApi": ec2.InterfaceVpcEndpointAwsService.ECR,
    "EcrImages": ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
    "Ecs": ec2.InterfaceVpcEndpointAwsService.ECS,
    "EcsAgent": ec2.InterfaceVpcEndpointAwsService.ECS_AGENT,
    "EcsTelemetry": ec2.InterfaceVpcEndpointAwsService.ECS_TELEMETRY,
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
    "Secrets": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    "Keys": ec2.InterfaceVpcEndpointAwsService.KMS,
}
"""What hosts and tasks of the media plane ask. Images' layers come from S3, by the gateway endpoint, which costs nothing."""
_FLOW_FIELDS = (
    ec2.LogFormat.SRC_ADDR,
    ec2.LogFormat.DST_ADDR,
    ec2.LogFormat.SRC_PORT,
    ec2.LogFormat.DST_PORT,
    ec2.LogFormat.PROTOCOL,
    ec2.LogFormat.ACTION,
)


class Network(Construct):
    """Attributes: ``vpc``; ``private`` and ``public`` choose subnets for tasks and for the load balancer."""

    def __init__(self, scope: Construct, id: str, *, settings: StageSettings) -> None:
        super().__init__(scope, id)
        self._settings = settings
        self.vpc = self._given() if settings.vpc_id else self._made()
        self.private = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
        self.public = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC)

    def _given(self) -> ec2.IVpc:
        """Taken as it is: routes and endpoints are its owner's."""
        told = self._settings
        if not (told.availability_zones and told.private_subnet_ids and told.public_subnet_ids):
            raise SettingsError(
                "vpc_id needs availability_zones, private_subnet_ids and public_subnet_ids: each in the same order of zones"
            )
        if not len(told.availability_zones) == len(told.private_subnet_ids) == len(told.public_subnet_ids):
            raise SettingsError("availability_zones, private_subnet_ids and public_subnet_ids: one of each for every zone")
        return ec2.Vpc.from_vpc_attributes(
            self,
            "Given",
            vpc_id=told.vpc_id,
            vpc_cidr_block=told.vpc_cidr,
            availability_zones=list(told.availability_zones),
            private_subnet_ids=list(told.private_subnet_ids),
            public_subnet_ids=list(told.public_subnet_ids),
        )

    def _made(self) -> ec2.Vpc:
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(self._settings.vpc_cidr),
            max_azs=2,
            nat_gateways=self._settings.nat_gateways,
            restrict_default_security_group=False,  # CDK does that by a function of its own; nothing here uses that group
            subnet_configuration=[
                ec2.SubnetConfiguration(name="Door", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24, map_public_ip_on_launch=False),
                ec2.SubnetConfiguration(name="Tasks", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=20),
            ],
            gateway_endpoints={
                "Objects": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
                "Items": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
            },
        )
        self._flow_logs(vpc)
        if self._settings.interface_endpoints:
            self._endpoints(vpc)
        return vpc

    def _endpoints(self, vpc: ec2.Vpc) -> None:
        group = ec2.SecurityGroup(self, "EndpointsGroup", vpc=vpc, description="AWS services inside the VPC", allow_all_outbound=False)
        group.add_ingress_rule(ec2.Peer.ipv4(self._settings.vpc_cidr), ec2.Port.tcp(443), "hosts and tasks")
        for name, service in _SERVICES.items():
            vpc.add_interface_endpoint(name, service=service, security_groups=[group], open=False)

    def _flow_logs(self, vpc: ec2.Vpc) -> None:
        group = logs.LogGroup(
            self, "FlowLogs", retention=retention(self._settings.log_retention_days), removal_policy=RemovalPolicy.DESTROY
        )
        vpc.add_flow_log(
            "Refused",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(group),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
            log_format=list(_FLOW_FIELDS),
        )
