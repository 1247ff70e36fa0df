"""What runs as one media task: our container, and beside it the server processes of PersonaPlex that share its host's GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration, Size
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.constructs.gpu_hosts import ROOT, stop_s
from infra.environments import MEDIA_SECRETS
from infra.settings import SettingsError, StageSettings

CONTAINER = "media"
PORT = 8000
FIRST_SERVER_PORT = 8998
"""Server process n of a task listens on this port and n more."""
WINDOW_S = 240
"""What the model remembers. A longer call must be able to move to another process."""
MOST_CONTAINERS = 10
"""Of one task, by ECS."""
FARGATE_STOP_S = 120
"""The longest that Fargate waits between SIGTERM and the end."""
LIVE_PROBE = (
    "import http.client as h, sys; "
    f"c = h.HTTPConnection('127.0.0.1', {PORT}, timeout=4); c.request('GET', '/health/live'); sys.exit(c.getresponse().status != 200)"
)
"""Whether our process lives. Readiness is the load balancer's to ask: a task that drains must not be ended for it."""
_PYTHON = "/app/moshi/.venv/bin/python"
_MEDIA_MIB = 4096
_SERVER_MIB = 5120


@dataclass(frozen=True, slots=True)
class TaskParts:
    """What a task is made with.

    Attributes:
        image, personaplex_image: URIs.
        environment: of our container (``infra.environments.of_media``), complete.
        secret: the media plane's; ``MEDIA_SECRETS`` says which field is which variable.
    """

    image: str
    personaplex_image: str
    environment: Mapping[str, str]
    secret: secretsmanager.ISecret
    logs: logs.LogGroup
    task_role: iam.Role
    execution_role: iam.Role


def server_ports(settings: StageSettings) -> tuple[int, ...]:
    """One per server process; none with another engine."""
    count = settings.servers_per_gpu * settings.gpus_per_instance if settings.engine == "personaplex" else 0
    return tuple(FIRST_SERVER_PORT + one for one in range(count))


def slots(settings: StageSettings) -> int:
    """How many calls a task takes at once."""
    if settings.engine != "personaplex":
        return settings.fargate_slots
    return len(server_ports(settings)) - settings.spare_servers


def check_slots(settings: StageSettings) -> None:
    """Whether the servers of a task carry calls of the length that is allowed. Raises SettingsError naming the setting."""
    if settings.engine != "personaplex":
        return
    servers = len(server_ports(settings))
    told = f"servers_per_gpu {settings.servers_per_gpu} on gpus_per_instance {settings.gpus_per_instance}"
    if servers + 1 > MOST_CONTAINERS:
        raise SettingsError(
            f"{told}: {servers} servers and our own are more than the {MOST_CONTAINERS} containers of a task; lower servers_per_gpu"
        )
    if settings.max_call_s <= WINDOW_S:
        if settings.spare_servers >= servers:
            raise SettingsError(f"spare_servers: {settings.spare_servers} of {servers} servers kept free leave none for calls; lower it")
        return
    if servers < 2:
        raise SettingsError(
            f"{told}: one server, but max_call_s {settings.max_call_s} outlasts the {WINDOW_S} s that the model remembers, and a call "
            f"cannot move to another. Raise servers_per_gpu to 2 or more, or lower max_call_s to {WINDOW_S}"
        )
    if not 1 <= settings.spare_servers < servers:
        raise SettingsError(
            f"spare_servers: {settings.spare_servers} of {servers} servers. Calls may outlast the {WINDOW_S} s that the model remembers "
            f"(max_call_s {settings.max_call_s}), so at least one server must be kept free to move to, and one must be left to move from"
        )


def gpu_task(scope: Construct, settings: StageSettings, parts: TaskParts) -> ecs.Ec2TaskDefinition:
    """Our container and the servers, in one network interface, for a host of their own."""
    check_slots(settings)
    task = ecs.Ec2TaskDefinition(
        scope,
        "GpuTask",
        family=f"{settings.name}-media",
        network_mode=ecs.NetworkMode.AWS_VPC,
        task_role=parts.task_role,
        execution_role=parts.execution_role,
        volumes=[
            ecs.Volume(name="weights", host=ecs.Host(source_path=f"{ROOT}/weights")),
            ecs.Volume(name="hub", host=ecs.Host(source_path=f"{ROOT}/hub")),
            ecs.Volume(name="tmp"),
        ],
    )
    media = _media(task, settings, parts, stop=stop_s(settings))
    before: ecs.ContainerDefinition | None = None
    for number, port in enumerate(server_ports(settings)):
        server = _server(task, settings, parts, number, port)
        if before is not None:  # one after the other: loading takes more memory than running
            server.add_container_dependencies(_healthy(before))
        media.add_container_dependencies(_healthy(server))
        before = server
    return task


def fargate_task(scope: Construct, settings: StageSettings, parts: TaskParts) -> ecs.FargateTaskDefinition:
    """Our container alone, without a GPU."""
    task = ecs.FargateTaskDefinition(
        scope,
        "Task",
        family=f"{settings.name}-media",
        cpu=settings.fargate_vcpu * 1024,
        memory_limit_mib=settings.fargate_memory_gb * 1024,
        runtime_platform=ecs.RuntimePlatform(
            cpu_architecture=ecs.CpuArchitecture.X86_64, operating_system_family=ecs.OperatingSystemFamily.LINUX
        ),
        task_role=parts.task_role,
        execution_role=parts.execution_role,
        volumes=[ecs.Volume(name="tmp")],
    )
    _media(task, settings, parts, stop=FARGATE_STOP_S)
    return task


def _healthy(container: ecs.ContainerDefinition) -> ecs.ContainerDependency:
    return ecs.ContainerDependency(container=container, condition=ecs.ContainerDependencyCondition.HEALTHY)


def _log(prefix: str, parts: TaskParts) -> ecs.LogDriver:
    """A log that cannot be written must not hold up a call; metrics travel in it, so the buffer is generous."""
    return ecs.LogDriver.aws_logs(
        stream_prefix=prefix, log_group=parts.logs, mode=ecs.AwsLogDriverMode.NON_BLOCKING, max_buffer_size=Size.mebibytes(16)
    )


def _nothing_of_root(task: ecs.TaskDefinition, id: str) -> ecs.LinuxParameters:
    """No capability, whoever the image runs as; and an init that ends what is left over."""
    made = ecs.LinuxParameters(task, id, init_process_enabled=True)
    made.drop_capabilities(ecs.Capability.ALL)
    return made


def _media(task: ecs.TaskDefinition, settings: StageSettings, parts: TaskParts, *, stop: int) -> ecs.ContainerDefinition:
    """Its image says user, entry and stop signal. A crash is followed by a new start in the same task: the model stays loaded."""
    container = task.add_container(
        CONTAINER,
        image=ecs.ContainerImage.from_registry(parts.image),
        essential=True,
        environment=dict(parts.environment),
        secrets={name: ecs.Secret.from_secrets_manager(parts.secret, key) for name, key in MEDIA_SECRETS.items()},
        logging=_log("media", parts),
        memory_reservation_mib=_MEDIA_MIB,
        port_mappings=[ecs.PortMapping(container_port=PORT)],
        health_check=ecs.HealthCheck(
            command=["CMD", "python", "-c", LIVE_PROBE],
            interval=Duration.seconds(10),
            timeout=Duration.seconds(5),
            retries=6,
            start_period=Duration.seconds(120),
        ),
        readonly_root_filesystem=True,
        linux_parameters=_nothing_of_root(task, "Init"),
        enable_restart_policy=True,
        restart_ignored_exit_codes=[0],
        restart_attempt_period=Duration.seconds(60),
        start_timeout=Duration.minutes(10),
        stop_timeout=Duration.seconds(stop),
    )
    container.add_mount_points(ecs.MountPoint(source_volume="tmp", container_path="/tmp", read_only=False))  # noqa: S108
    return container


def _server(task: ecs.Ec2TaskDefinition, settings: StageSettings, parts: TaskParts, number: int, port: int) -> ecs.ContainerDefinition:
    """One server process. Not essential: when it dies its call moves to another one, and it is started anew."""
    container = task.add_container(
        f"personaplex-{number}",
        image=ecs.ContainerImage.from_registry(parts.personaplex_image),
        essential=False,
        command=server_command(port),
        environment=server_environment(number // settings.servers_per_gpu),
        logging=_log(f"personaplex-{number}", parts),
        memory_reservation_mib=_SERVER_MIB,
        health_check=ecs.HealthCheck(
            command=["CMD", _PYTHON, "-c", safe_probe(port)],
            interval=Duration.seconds(10),
            timeout=Duration.seconds(6),
            retries=10,
            start_period=Duration.seconds(300),
        ),
        privileged=False,
        linux_parameters=_nothing_of_root(task, f"Init-{number}"),
        enable_restart_policy=True,
        restart_attempt_period=Duration.seconds(60),
        start_timeout=Duration.minutes(10),
        stop_timeout=Duration.seconds(30),
    )
    container.add_mount_points(
        ecs.MountPoint(source_volume="weights", container_path="/weights", read_only=True),
        ecs.MountPoint(source_volume="hub", container_path="/hub", read_only=True),
    )
    return container


def server_command(port: int) -> list[str]:
    """How NVIDIA's server is started: every file by its path, no TLS of its own, no web page, no look at the internet."""
    return [
        _PYTHON,
        "-m",
        "moshi.server",
        "--host=127.0.0.1",
        f"--port={port}",
        "--static=none",
        "--tokenizer=/weights/tokenizer_spm_32k_3.model",
        "--moshi-weight=/weights/model.safetensors",
        "--mimi-weight=/weights/tokenizer-e351c8d8-checkpoint125.safetensors",
        "--voice-prompt-dir=/weights/voices",
    ]


def server_environment(gpu: int) -> dict[str, str]:
    """Nothing is asked of a hub; ``gpu``: which one of the host's."""
    return {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": "/hub",
        "TRANSFORMERS_OFFLINE": "1",
        "NO_TORCH_COMPILE": "1",
        "NVIDIA_VISIBLE_DEVICES": str(gpu),
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    }


def safe_probe(port: int) -> str:
    """A program that asks by a plain GET and wants 400. A WebSocket upgrade would take the process, and change the prompt of its call."""
    return (
        "import http.client as h, sys; "
        f"c = h.HTTPConnection('127.0.0.1', {port}, timeout=5); c.request('GET', '/api/chat'); sys.exit(c.getresponse().status != 400)"
    )
