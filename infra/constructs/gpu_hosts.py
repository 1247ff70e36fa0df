"""GPU hosts of the media plane: what starts on them, how many there are, and when one may go."""

from __future__ import annotations

from dataclasses import dataclass

import jsii
from aws_cdk import Aws, Stack
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.constructs.network import Network
from infra.nag import Reason, acknowledge
from infra.settings import SettingsError, StageSettings

ROOT = "/opt/personaplex"
"""Where each host keeps ``weights`` and ``hub``; mounted into the server's containers for reading."""
_DISK = "/dev/xvda"
_SNAPSHOT_DISK = "/dev/sdf"
_READ_MIB_S = 300


@dataclass(frozen=True, slots=True)
class OwnBucket:
    """The stage's own bucket and the key of its objects; ``told``: how a finding writes its ARN."""

    name: str
    arn: str
    told: str
    key: kms.IKey


@dataclass(frozen=True, slots=True)
class Weights:
    """Where the weights come from: S3, a snapshot, or neither: the machine image has them.

    Attributes:
        bucket, prefix: in S3; ``arn`` is the bucket's, ``told`` how a finding writes it, ``key`` the objects' own key if it is ours.
        snapshot_id: of an EBS volume with one file system that holds ``weights`` and ``hub``.
    """

    bucket: str = ""
    prefix: str = ""
    arn: str = ""
    told: str = ""
    key: kms.IKey | None = None
    snapshot_id: str = ""


def weights_of(settings: StageSettings, own: OwnBucket) -> Weights:
    """What the settings say; where they say nothing, the stage's own bucket. Raises SettingsError: they say two things."""
    said = [name for name in ("weights_uri", "weights_snapshot_id", "weights_in_ami") if getattr(settings, name)]
    if len(said) > 1:
        raise SettingsError(f"{' and '.join(said)}: the weights come from one place; leave the others out")
    if settings.weights_in_ami and not settings.ami_id:
        raise SettingsError("weights_in_ami needs ami_id: AWS's own image holds no weights")
    if settings.weights_snapshot_id:
        return Weights(snapshot_id=settings.weights_snapshot_id)
    if settings.weights_in_ami:
        return Weights()
    if settings.weights_uri:
        bucket, _, prefix = settings.weights_uri.removeprefix("s3://").partition("/")
        return Weights(bucket, prefix.strip("/"), f"arn:{Aws.PARTITION}:s3:::{bucket}", f"arn:<AWS::Partition>:s3:::{bucket}")
    return Weights(own.name, "models/personaplex", own.arn, own.told, own.key)


def boot_script(settings: StageSettings, weights: Weights, images: tuple[str, ...], region: str) -> list[str]:
    """The commands of a host's first start. One that fails leaves the host out of the cluster: it never gets a task.

    Several containers share one GPU: the runtime of nvidia is docker's default, and each container names its GPU by
    ``NVIDIA_VISIBLE_DEVICES``; no container *reserves* one.
    """
    return [
        "set -euo pipefail",
        "nvidia-smi --query-gpu=name,memory.total --format=csv",
        "if command -v nvidia-ctk; then nvidia-ctk runtime configure --runtime=docker --set-as-default;"
        """ else sed -i 's/^OPTIONS="/OPTIONS="--default-runtime nvidia /' /etc/sysconfig/docker; fi""",
        "systemctl restart docker",
        "test \"$(docker info --format '{{.DefaultRuntime}}')\" = nvidia",
        *_fetch(weights, region),
        f"test -s {ROOT}/weights/model.safetensors && test -d {ROOT}/weights/voices && test -d {ROOT}/hub",
        *(_pull(images, region) if settings.warm_pool else []),
        *(
            f"echo {one} >> /etc/ecs/ecs.config"
            for one in (
                "ECS_IMAGE_PULL_BEHAVIOR=prefer-cached",
                f"ECS_CONTAINER_STOP_TIMEOUT={stop_s(settings)}s",
                "ECS_CONTAINER_START_TIMEOUT=10m",
                "ECS_AWSVPC_BLOCK_IMDS=true",  # containers do not take the host's role
                *(("ECS_WARM_POOLS_CHECK=true",) if settings.warm_pool else ()),
                *(("ECS_ENABLE_SPOT_INSTANCE_DRAINING=true",) if settings.spot else ()),
            )
        ),
    ]


def stop_s(settings: StageSettings) -> int:
    """How long a task has from SIGTERM to its end: the longest call, and a minute for its record."""
    return settings.max_call_s + 60


def _fetch(weights: Weights, region: str) -> list[str]:
    if weights.snapshot_id:
        # On Nitro the disk has another name: it is found as the one that is no root disk.
        return [
            f"mkdir -p {ROOT}",
            "root=$(lsblk -no PKNAME $(findmnt -no SOURCE /))",
            'disk=$(lsblk -dnpo NAME,TYPE,MODEL | awk \'$2=="disk" && /Elastic Block Store/ {print $1}\' | grep -v "/$root$" | head -1)',
            'part=$(lsblk -lnpo NAME,FSTYPE "$disk" | awk \'$2!="" {print $1; exit}\')',
            f'mount -o ro "$part" {ROOT}',
        ]
    if weights.bucket:
        return [
            "command -v aws || dnf install -y awscli-2",
            f"mkdir -p {ROOT}",
            f"aws s3 sync --region {region} --no-progress s3://{weights.bucket}/{weights.prefix} {ROOT}",
            f"cd {ROOT}/weights && sha256sum --quiet -c weights.sha256 && cd /",
        ]
    return []


def _pull(images: tuple[str, ...], region: str) -> list[str]:
    """Hosts of the warm pool have the images on their disk before they are stopped."""
    lines = []
    for image in images:
        registry = image.partition("/")[0]
        if ".dkr.ecr." in registry or "Ref" in image or "${" in image:
            lines.append(f"aws ecr get-login-password --region {region} | docker login --username AWS --password-stdin {registry}")
        lines.append(f"docker pull --quiet {image}")
    return ["command -v aws || dnf install -y awscli-2", *lines] if lines else []


@dataclass(frozen=True, slots=True)
class HostParts:
    """What the hosts are made with: ``weights`` and the ``images`` that a warm host holds already."""

    cluster: ecs.Cluster
    network: Network
    weights: Weights
    images: tuple[str, ...]


class GpuHosts(Construct):
    """Attributes: ``provider`` (the capacity provider), ``group`` (the Auto Scaling group)."""

    def __init__(self, scope: Construct, id: str, *, settings: StageSettings, parts: HostParts) -> None:
        super().__init__(scope, id)
        if settings.spot and settings.warm_pool:
            raise SettingsError("spot and warm_pool: AWS keeps no spot hosts in a warm pool; set one of them")
        self._settings = settings
        self._parts = parts
        self._region = Stack.of(self).region
        self.role = self._role()
        template = self._template()
        self.group = self._group(template)
        self.provider = self._provider()
        parts.cluster.add_asg_capacity_provider(self.provider)
        self._acknowledge()

    def _acknowledge(self) -> None:
        acknowledge(
            self,
            Reason("AwsSolutions-IAM5[Resource::*]", "What CDK gives the agent of ECS to register a host: actions without a resource."),
            Reason("AwsSolutions-IAM5[Action::ecs:Submit*]", "The agent reports its own tasks' states."),
            Reason("AwsSolutions-AS3", "ECS starts and ends hosts all day; what matters (free slots, lost calls) has alarms of its own."),
        )
        if self._parts.weights.bucket:
            objects = f"{self._parts.weights.told}/{self._below()}*"
            acknowledge(self, Reason(f"AwsSolutions-IAM5[Resource::{objects}]", "The weights, for reading; an operator puts them there."))

    def _below(self) -> str:
        prefix = self._parts.weights.prefix
        return f"{prefix}/" if prefix else ""

    def _provider(self) -> ecs.AsgCapacityProvider:
        return ecs.AsgCapacityProvider(
            self,
            "Capacity",
            auto_scaling_group=self.group,
            enable_managed_scaling=True,
            enable_managed_draining=True,
            enable_managed_termination_protection=True,
            target_capacity_percent=100,
            instance_warmup_period=300,
            maximum_scaling_step_size=max(10, self._settings.tasks_max),
            spot_instance_draining=self._settings.spot,
        )

    def _role(self) -> iam.Role:
        role = iam.Role(
            self, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"), description="Nexus: a GPU host, not what runs on it"
        )
        weights = self._parts.weights
        if not weights.bucket:
            return role
        role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[f"{weights.arn}/{self._below()}*"]))
        listing = {"StringLike": {"s3:prefix": [weights.prefix, f"{self._below()}*"]}}
        role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[weights.arn], conditions=listing))
        if weights.key is not None:
            through = {"StringEquals": {"kms:ViaService": f"s3.{self._region}.amazonaws.com"}}
            role.add_to_policy(iam.PolicyStatement(actions=["kms:Decrypt"], resources=[weights.key.key_arn], conditions=through))
        return role

    def _template(self) -> ec2.LaunchTemplate:
        told = self._settings
        script = ec2.UserData.for_linux()
        script.add_commands(*boot_script(told, self._parts.weights, self._parts.images, self._region))
        # A host that dies asks nobody; one that is drained is asked by the agent. Nothing comes in: tasks have interfaces of their own.
        group = ec2.SecurityGroup(
            self, "Group", vpc=self._parts.network.vpc, description="GPU hosts: nothing comes in", allow_all_outbound=False
        )
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS services: ECS, ECR, S3, logs")
        template = ec2.LaunchTemplate(
            self,
            "Template",
            instance_type=ec2.InstanceType(told.instance_type),
            machine_image=GivenImage(told.ami_id) if told.ami_id else ecs.EcsOptimizedImage.amazon_linux2023(ecs.AmiHardwareType.GPU),
            role=self.role,
            security_group=group,
            user_data=script,
            http_tokens=ec2.LaunchTemplateHttpTokens.REQUIRED,
            http_put_response_hop_limit=1,
            detailed_monitoring=True,
            block_devices=[ec2.BlockDevice(device_name=_DISK, volume=_disk(told.host_disk_gb))],
            spot_options=ec2.LaunchTemplateSpotOptions(interruption_behavior=ec2.SpotInstanceInterruption.TERMINATE) if told.spot else None,
        )
        if self._parts.weights.snapshot_id:
            _add_snapshot(template, self._parts.weights.snapshot_id)
        return template

    def _group(self, template: ec2.LaunchTemplate) -> autoscaling.AutoScalingGroup:
        told = self._settings
        group = autoscaling.AutoScalingGroup(
            self,
            "Hosts",
            vpc=self._parts.network.vpc,
            vpc_subnets=self._parts.network.private,
            launch_template=template,
            min_capacity=0,
            max_capacity=2 * told.tasks_max,  # a deployment runs the old and the new beside each other
            new_instances_protected_from_scale_in=True,
            capacity_rebalance=False,  # it would end hosts under calls for a better price
            group_metrics=[autoscaling.GroupMetrics.all()],
        )
        if told.warm_pool:
            # Without the second bound AWS keeps as many as the group could ever have.
            group.add_warm_pool(
                pool_state=autoscaling.PoolState.STOPPED,
                min_size=told.warm_pool,
                max_group_prepared_capacity=told.warm_pool,
                reuse_on_scale_in=False,
            )
        return group


def _disk(size_gb: int) -> ec2.BlockDeviceVolume:
    return ec2.BlockDeviceVolume.ebs(size_gb, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3, iops=6000, throughput=750)


def _add_snapshot(template: ec2.LaunchTemplate, snapshot_id: str) -> None:
    """By override: CDK's own block devices know no rate at which a fresh volume is read in."""
    bare = template.node.default_child
    assert isinstance(bare, ec2.CfnLaunchTemplate)  # noqa: S101
    ebs = {"SnapshotId": snapshot_id, "Encrypted": True, "VolumeType": "gp3", "VolumeInitializationRate": _READ_MIB_S}
    bare.add_property_override("LaunchTemplateData.BlockDeviceMappings.1", {"DeviceName": _SNAPSHOT_DISK, "Ebs": ebs})


@jsii.implements(ec2.IMachineImage)
class GivenImage:
    """An image by its id, in whichever region the stack is."""

    def __init__(self, ami_id: str) -> None:
        self._ami_id = ami_id

    def get_image(self, scope: Construct) -> ec2.MachineImageConfig:
        """What CDK asks of an image."""
        return ec2.MachineImageConfig(image_id=self._ami_id, os_type=ec2.OperatingSystemType.LINUX, user_data=ec2.UserData.for_linux())
