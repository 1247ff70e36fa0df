"""The media plane: callers' sockets behind a load balancer, on GPU hosts beside PersonaPlex, or on Fargate without a GPU."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.constructs.function import retention
from infra.constructs.gpu_hosts import GpuHosts, HostParts, OwnBucket, Weights, weights_of
from infra.constructs.media_door import DoorParts, MediaDoor
from infra.constructs.media_scaling import MediaScaling
from infra.constructs.media_task import CONTAINER, PORT, TaskParts, fargate_task, gpu_task, server_ports, slots
from infra.constructs.network import Network
from infra.constructs.rights import READ_ITEMS, Rights
from infra.environments import Places, of_media
from infra.nag import Reason, acknowledge, arn_as_told
from infra.settings import SettingsError, StageSettings
from infra.stacks.data import NexusData

RELEASE = "0.1.0"
"""The tag of our images in the account's own repositories, where no other image is named."""
_ENGINES = ("personaplex", "cascade", "scripted")
WRITTEN = ("sessions/", "private/", "expiry/", "media/")
"""Which kinds of objects a media process writes; it reads and deletes none."""


class NexusMedia(Stack):
    """Attributes: ``public_url`` (where sockets open), ``cluster``, ``service``, ``log_group``, ``door``, ``scaling``, ``network``."""

    def __init__(self, scope: Construct, id: str, *, settings: StageSettings, data: NexusData, **kwargs: Any) -> None:
        super().__init__(scope, id, **kwargs)
        check(settings)
        self.settings = settings
        self._data = data
        self.network = Network(self, "Network", settings=settings)
        self.log_group = self._logs("Logs", settings.log_retention_days)
        self.door = MediaDoor(self, "Door", settings=settings, parts=DoorParts(self.network, data.logs))
        self.public_url = settings.public_url or self.door.public_url
        self.cluster = self._cluster()
        self._tasks = self._task_group()
        self.service: ecs.BaseService = self._gpu_service() if settings.engine == "personaplex" else self._fargate_service()
        acknowledge(
            self.service.task_definition, Reason("AwsSolutions-ECS2", "What is secret comes from Secrets Manager; the rest is settings.")
        )
        self.scaling = MediaScaling(self, "Scaling", settings=settings, service=self.service)
        self._outputs()

    # --- what both kinds have ---

    def _logs(self, id: str, days: int) -> logs.LogGroup:
        return logs.LogGroup(self, id, retention=retention(days), removal_policy=RemovalPolicy.DESTROY)

    def _cluster(self) -> ecs.Cluster:
        return ecs.Cluster(
            self,
            "Cluster",
            vpc=self.network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
            enable_fargate_capacity_providers=self.settings.engine != "personaplex",
        )

    def _task_group(self) -> ec2.SecurityGroup:
        """Only the load balancer and other tasks come in, at one port: the servers listen on every interface and ask for no name."""
        group = ec2.SecurityGroup(self, "TaskGroup", vpc=self.network.vpc, description="Media tasks", allow_all_outbound=False)
        group.add_ingress_rule(self.door.security_group, ec2.Port.tcp(PORT), "callers, from the load balancer")
        group.add_ingress_rule(group, ec2.Port.tcp(PORT), "callers of another task, passed on")
        group.add_egress_rule(group, ec2.Port.tcp(PORT), "passing callers on")
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS services, language model, tenants' tools")
        self.door.security_group.add_egress_rule(group, ec2.Port.tcp(PORT), "tasks")
        return group

    def _parts(self, environment: dict[str, str]) -> TaskParts:
        told = self.settings
        here = f"{self.account}.dkr.ecr.{self.region}.{self.url_suffix}"
        return TaskParts(
            image=told.media_image or f"{here}/nexus-media:{RELEASE}",
            personaplex_image=told.personaplex_image or f"{here}/personaplex:{RELEASE}",
            environment=environment,
            # by its name alone: the secret with its key would write this stack's role into the policy of that one's key
            secret=secretsmanager.Secret.from_secret_complete_arn(self, "MediaKeys", self._data.media_secret.secret_arn),
            logs=self.log_group,
            task_role=self._task_role(),
            execution_role=self._execution_role(),
        )

    def _environment(self) -> dict[str, str]:
        data = self._data
        at = Places(
            data.table.table_name, data.bucket.bucket_name, data.issuer, data.client.user_pool_client_id, public_url=self.public_url
        )
        servers = [f"ws://127.0.0.1:{port}/api/chat" for port in server_ports(self.settings)]
        return {
            **of_media(self.settings, at),
            "AWS_REGION": self.region,
            "NEXUS_KMS_KEY": data.key.key_arn,
            "ENGINE_SLOTS": str(slots(self.settings)),
            **({"PERSONAPLEX_WS_URL": ",".join(servers), "PERSONAPLEX_SPARES": str(self.settings.spare_servers)} if servers else {}),
        }

    def _task_role(self) -> iam.Role:
        """What our code may do. The servers beside it have it too: containers of a task share its role."""
        data = self._data
        role = iam.Role(
            self, "TaskRole", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"), description="Nexus: the media plane's process"
        )
        for statement in (*may_of_media(data.rights, self.settings.fleet), self._may_protect()):
            role.add_to_policy(statement)
        why = "Objects of one of the archive's prefixes, each called by its tenant and its call."
        archive = arn_as_told(self, data.bucket)
        acknowledge(role, *(Reason(f"AwsSolutions-IAM5[Resource::{archive}/{prefix}*]", why) for prefix in WRITTEN))
        cluster = self.get_logical_id(self._bare_cluster())
        tasks = f"arn:<AWS::Partition>:ecs:<AWS::Region>:<AWS::AccountId>:task/<{cluster}>/*"
        acknowledge(role, Reason(f"AwsSolutions-IAM5[Resource::{tasks}]", "Tasks of this cluster have no names before they run."))
        return role

    def _may_protect(self) -> iam.PolicyStatement:
        return iam.PolicyStatement(actions=["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"], resources=[self._arn_of_tasks()])

    def _bare_cluster(self) -> ecs.CfnCluster:
        bare = self.cluster.node.default_child
        assert isinstance(bare, ecs.CfnCluster)  # noqa: S101
        return bare

    def _arn_of_tasks(self) -> str:
        return f"arn:{self.partition}:ecs:{self.region}:{self.account}:task/{self.cluster.cluster_name}/*"

    def _execution_role(self) -> iam.Role:
        role = iam.Role(
            self, "ExecutionRole", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"), description="Nexus: ECS, to start a task"
        )
        images = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        own = f"arn:{self.partition}:ecr:{self.region}:{self.account}:repository/*"
        role.add_to_policy(iam.PolicyStatement(sid="Login", actions=["ecr:GetAuthorizationToken"], resources=["*"]))
        role.add_to_policy(iam.PolicyStatement(sid="Images", actions=images, resources=[own]))
        role.add_to_policy(self._data.rights.encrypted("secretsmanager"))
        acknowledge(
            role,
            Reason("AwsSolutions-IAM5[Resource::*]", "The token of ECR has no resource."),
            Reason(
                "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ecr:<AWS::Region>:<AWS::AccountId>:repository/*]",
                "Images may lie in any repository of this account; they are named by the task definition.",
            ),
        )
        return role

    # --- the two kinds ---

    def _gpu_service(self) -> ecs.Ec2Service:
        told = self.settings
        parts = self._parts(self._environment())
        hosts = GpuHosts(
            self, "Gpu", settings=told, parts=HostParts(self.cluster, self.network, self._weights(), (parts.image, parts.personaplex_image))
        )
        service = ecs.Ec2Service(
            self,
            "Service",
            cluster=self.cluster,
            task_definition=gpu_task(self, told, parts),
            capacity_provider_strategies=[ecs.CapacityProviderStrategy(capacity_provider=hosts.provider.capacity_provider_name, weight=1)],
            placement_constraints=[ecs.PlacementConstraint.distinct_instances()],
            vpc_subnets=self.network.private,
            security_groups=[self._tasks],
            availability_zone_rebalancing=ecs.AvailabilityZoneRebalancing.DISABLED,
            health_check_grace_period=Duration.minutes(15),
            **_deployment(told),
        )
        service.node.add_dependency(hosts)
        self.door.group.add_target(service.load_balancer_target(container_name=CONTAINER, container_port=PORT))
        return service

    def _weights(self) -> Weights:
        data = self._data
        return weights_of(
            self.settings, OwnBucket(data.bucket.bucket_name, data.bucket.bucket_arn, arn_as_told(self, data.bucket), data.key)
        )

    def _fargate_service(self) -> ecs.FargateService:
        told = self.settings
        service = ecs.FargateService(
            self,
            "Service",
            cluster=self.cluster,
            task_definition=fargate_task(self, told, self._parts(self._environment())),
            capacity_provider_strategies=[
                ecs.CapacityProviderStrategy(capacity_provider="FARGATE_SPOT" if told.spot else "FARGATE", weight=1)
            ],
            vpc_subnets=self.network.private,
            security_groups=[self._tasks],
            assign_public_ip=False,
            availability_zone_rebalancing=ecs.AvailabilityZoneRebalancing.DISABLED,
            health_check_grace_period=Duration.minutes(5),
            **_deployment(told),
        )
        self.door.group.add_target(service.load_balancer_target(container_name=CONTAINER, container_port=PORT))
        return service

    def _outputs(self) -> None:
        told = {
            "MediaUrl": self.public_url,
            "ClusterName": self.cluster.cluster_name,
            "ServiceName": self.service.service_name,
            "LogGroupName": self.log_group.log_group_name,
            "BalancerName": self.door.balancer.load_balancer_dns_name,
        }
        for name, value in told.items():
            CfnOutput(self, name, value=value)


def may_of_media(rights: Rights, fleet: str) -> tuple[iam.PolicyStatement, ...]:
    """What a media process does to the stores: it carries calls, runs tools, writes what a call leaves behind, and reads none of it again.

    It reads what tenants have published, and tenants' secrets, and changes neither.
    """
    fleets = (f"FLEET#{fleet}", "FLEET#JOURNAL#*", "FLEET#JOURNALS")
    tenants = ("TENANT#*#CALLS", "TENANT#*#SEATS", "TENANT#*#TOOLS", "TENANT#*#EFFECTS")
    changes = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")
    return (
        rights.items(*READ_ITEMS, *changes, leading=(*fleets, *tenants)),
        rights.items("GetItem", leading=("TENANT#*#DOCUMENTS",)),
        rights.objects("PutObject", prefixes=WRITTEN),
        rights.names(("sessions/", "media/")),
        rights.encrypted("dynamodb", "s3", writes=True),
        rights.seals("Decrypt"),
    )


def check(settings: StageSettings) -> None:
    """What cannot be deployed is said before anything is made. Raises SettingsError, naming the setting."""
    if settings.engine not in _ENGINES:
        raise SettingsError(f"engine: {settings.engine!r} is not deployed here; {', '.join(_ENGINES)} are")
    if settings.tasks_min > settings.tasks_max:
        raise SettingsError(f"tasks_min: {settings.tasks_min} is more than tasks_max, {settings.tasks_max}")
    for name, image in (("media_image", settings.media_image), ("personaplex_image", settings.personaplex_image)):
        if image and "@sha256:" not in image and (":" not in image.rpartition("/")[2] or image.endswith(":latest")):
            raise SettingsError(f"{name}: {image!r} may be another image tomorrow; name a digest (@sha256:...) or a version's tag")
    if settings.engine != "personaplex" and (settings.fargate_vcpu, settings.fargate_memory_gb) not in _FARGATE_SIZES:
        raise SettingsError(
            f"fargate_vcpu, fargate_memory_gb: Fargate has no task of {settings.fargate_vcpu} vCPU and {settings.fargate_memory_gb} GB"
        )


_FARGATE_SIZES = {
    *((2, memory) for memory in range(4, 17)),
    *((4, memory) for memory in range(8, 31)),
    *((8, memory) for memory in range(16, 61, 4)),
    *((16, memory) for memory in range(32, 121, 8)),
}


def _deployment(settings: StageSettings) -> dict[str, Any]:
    """The new stands before the old goes; a version that never gets ready is taken back. No count: scaling has the word."""
    return {
        "min_healthy_percent": 100,
        "max_healthy_percent": 200,
        "circuit_breaker": ecs.DeploymentCircuitBreaker(rollback=True),
        "enable_ecs_managed_tags": True,
        "propagate_tags": ecs.PropagatedTagSource.SERVICE,
    }
