"""Steps about callers' sockets: the load balancer, tasks, hosts, scaling."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from infra.constructs.media_door import IDLE_S, READY
from infra.constructs.media_scaling import FREE, NAMESPACE, UTILISATION
from scripts.smoke_aws.account import DOMAIN, STAGE, RealAccount, until
from scripts.smoke_aws.course import NotShown

_LONG_S = IDLE_S + 40


# --- the door ---


def door(at: RealAccount) -> str:
    """TLS of today by the certificate of the settings, and a ready task behind it."""
    at.needs_media()
    until(lambda: _status(at, READY) == 200, "a ready task behind the load balancer", 1500, 10)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        _shake(at, old)
    except (ssl.SSLError, OSError):
        return "ready over TLS; TLS 1.1 refused"
    raise NotShown("TLS 1.1 was taken")


def _tls(at: RealAccount) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=at.certificate.decode())


def _shake(at: RealAccount, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(socket.create_connection((at.out("BalancerName"), 443), 10), server_hostname=DOMAIN)


def _status(at: RealAccount, path: str) -> int:
    try:
        with _shake(at, _tls(at)) as line:
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n".encode())
            return int(line.recv(64).split()[1])
    except (OSError, ValueError, IndexError):
        return 0


@asynccontextmanager
async def _calling(at: RealAccount) -> AsyncIterator[tuple[str, ClientConnection]]:
    """A call that has been greeted, with a microphone that is open and silent."""
    order = at.order()
    connection = await connect(
        f"wss://{DOMAIN}/v1/calls/{order['id']}",
        host=at.out("BalancerName"),
        port=443,
        ssl=_tls(at),
        subprotocols=[Subprotocol("nexus.v1"), Subprotocol(f"token.{order['websocket']['ticket']}")],
        compression=None,
        proxy=None,
        open_timeout=20,
    )
    async with connection:
        await connection.send(json.dumps({"type": "session.start"}))
        async with asyncio.timeout(60):
            while not isinstance(await connection.recv(), bytes):
                pass
        yield str(order["id"]), connection
        await connection.send(json.dumps({"type": "session.end"}))
    at.outputs["FinishedCalls"] = f"{at.outputs.get('FinishedCalls', '')} {order['id']}".strip()


def _during_a_call(at: RealAccount, what: Callable[[], None], lives_s: float) -> None:
    """Do it while a call lives, and see the call live on for so long. Raises NotShown."""

    async def both() -> None:
        async with _calling(at) as (_, connection):
            await _lives(connection, asyncio.to_thread(what), lives_s)

    asyncio.run(both())


async def _lives(connection: ClientConnection, meanwhile: Awaitable[None], lives_s: float) -> None:
    async def listen() -> None:
        async for _ in connection:
            pass
        raise NotShown(f"the call was closed with {connection.close_code} {connection.close_reason}")

    async def speak() -> None:
        while True:
            await connection.send(bytes(640))
            await asyncio.sleep(0.02)

    tasks = [asyncio.create_task(listen()), asyncio.create_task(speak())]
    try:
        await meanwhile
        done, _ = await asyncio.wait(tasks, timeout=lives_s, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def idle_socket(at: RealAccount) -> str:
    """A caller who sends nothing longer than the load balancer waits."""
    at.needs_media()

    async def silent() -> None:
        async with _calling(at) as (_, connection):
            began = time.monotonic()
            while time.monotonic() - began < _LONG_S:
                try:
                    async with asyncio.timeout(5):
                        await connection.recv()
                except TimeoutError:
                    continue

    asyncio.run(silent())
    return f"open after {_LONG_S} s without a byte of the caller's but the answers to pings"


def relay(at: RealAccount) -> str:
    """Twelve calls through two tasks: each reaches its own, whichever the load balancer chose."""
    at.needs_media()
    until(lambda: len(_tasks(at)) >= 2, "two running tasks", 1500, 10)

    async def one() -> None:
        async with _calling(at):
            pass

    for _ in range(12):
        asyncio.run(one())
    log = at.client("logs").filter_log_events(logGroupName=at.out("LogGroupName"), filterPattern="relay", limit=50)["events"]
    return f"12 of 12 calls; {len(log)} lines of the log name the relay"


def access_logs(at: RealAccount) -> str:
    """They come, and no ticket is in them."""
    at.needs_media()
    if not at.tickets:
        at.order()
    balancers = at.client("elbv2")
    arn = next(
        one["LoadBalancerArn"] for one in balancers.describe_load_balancers()["LoadBalancers"] if one["DNSName"] == at.out("BalancerName")
    )
    held = {one["Key"]: one["Value"] for one in balancers.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]}
    s3, bucket, prefix = at.client("s3"), held["access_logs.s3.bucket"], held["access_logs.s3.prefix"]

    def lines() -> list[str]:
        objects = s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/AWSLogs/").get("Contents", [])
        bodies = [s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in objects if one["Key"].endswith(".gz")]
        return [line for body in bodies for line in gzip.decompress(body).decode().splitlines() if "/v1/calls/" in line]

    found = until(lines, "access logs of calls", 600, 20)
    if any(ticket in line for line in found for ticket in at.tickets):
        raise NotShown("a ticket stands in an access log")
    return f"{len(found)} lines about calls, none with a ticket"


# --- tasks and hosts ---


def _tasks(at: RealAccount) -> list[dict[str, Any]]:
    ecs, cluster = at.client("ecs"), at.out("ClusterName")
    arns = ecs.list_tasks(cluster=cluster, serviceName=at.out("ServiceName"), desiredStatus="RUNNING")["taskArns"]
    return list(ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]) if arns else []


def task_protection(at: RealAccount) -> str:
    """While a call lives its task is protected, and soon after it no more."""
    at.needs_media()
    ecs, cluster = at.client("ecs"), at.out("ClusterName")

    def protected() -> int:
        arns = [one["taskArn"] for one in _tasks(at)]
        return sum(one["protectionEnabled"] for one in ecs.get_task_protection(cluster=cluster, tasks=arns)["protectedTasks"])

    _during_a_call(at, lambda: until(lambda: protected() == 1, "one protected task", 60, 2), 1)
    until(lambda: protected() == 0, "no protected task after the call", 180)
    return "one task during the call, none after it"


def rolling_deployment(at: RealAccount) -> str:
    """A deployment goes through while a call lives, and the call with it."""
    at.needs_media()
    ecs, cluster, service = at.client("ecs"), at.out("ClusterName"), at.out("ServiceName")
    before = {one["taskArn"] for one in _tasks(at)}
    _during_a_call(at, lambda: ecs.update_service(cluster=cluster, service=service, forceNewDeployment=True), 240)

    def replaced() -> bool:
        deployments = ecs.describe_services(cluster=cluster, services=[service])["services"][0]["deployments"]
        return len(deployments) == 1 and not before & {one["taskArn"] for one in _tasks(at)}

    began = time.monotonic()
    until(replaced, "every task replaced", 1500, 15)
    return f"the call lived; all tasks replaced {time.monotonic() - began:.0f} s after its end"


def gpu_sharing(at: RealAccount) -> str:
    """Both server processes of each task answer on the one GPU."""
    at.needs_gpu()

    def healthy() -> list[int]:
        counts = [
            sum(one["name"].startswith("personaplex") and one.get("healthStatus") == "HEALTHY" for one in task["containers"])
            for task in _tasks(at)
        ]
        return counts if counts and min(counts) >= 2 else []

    return f"healthy server processes by task: {until(healthy, 'two healthy servers in each task', 1800, 15)}"


def warm_pool(at: RealAccount) -> str:
    """A stopped host waits, and joins the cluster faster than a new one boots."""
    at.needs_gpu()
    scaling, ecs = at.client("autoscaling"), at.client("ecs")
    group = _group(at)
    until(
        lambda: [
            one for one in scaling.describe_warm_pool(AutoScalingGroupName=group)["Instances"] if one["LifecycleState"] == "Warmed:Stopped"
        ],
        "a stopped host in the warm pool",
        1200,
        15,
    )
    cluster, service = at.out("ClusterName"), at.out("ServiceName")
    many = len(ecs.list_container_instances(cluster=cluster, status="ACTIVE")["containerInstanceArns"])
    began = time.monotonic()
    ecs.update_service(cluster=cluster, service=service, desiredCount=len(_tasks(at)) + 1)
    until(lambda: len(ecs.list_container_instances(cluster=cluster, status="ACTIVE")["containerInstanceArns"]) > many, "one more host", 600)
    return f"one more host in the cluster after {time.monotonic() - began:.0f} s"


def _group(at: RealAccount) -> str:
    for page in at.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=f"Nexus-{STAGE}-Media"):
        for one in page["StackResourceSummaries"]:
            if one["ResourceType"] == "AWS::AutoScaling::AutoScalingGroup":
                return str(one["PhysicalResourceId"])
    raise NotShown("the media stack has no Auto Scaling group")


def host_draining(at: RealAccount) -> str:
    """A host is drained under a call, as before its end or a spot loss: the call goes on."""
    at.needs_gpu()
    ecs, cluster = at.client("ecs"), at.out("ClusterName")

    def drain() -> None:
        busy = until(lambda: [one for one in _tasks(at) if _is_protected(at, one["taskArn"])], "the call's task", 60, 2)[0]
        ecs.update_container_instances_state(cluster=cluster, containerInstances=[busy["containerInstanceArn"]], status="DRAINING")

    _during_a_call(at, drain, 180)
    return "the call lived 180 s on a draining host"


def _is_protected(at: RealAccount, arn: str) -> bool:
    told = at.client("ecs").get_task_protection(cluster=at.out("ClusterName"), tasks=[arn])["protectedTasks"]
    return bool(told and told[0]["protectionEnabled"])


# --- scaling ---


def metrics(at: RealAccount) -> str:
    """Lines of the log become the metrics that scaling looks at."""
    at.needs_media()
    watch = at.client("cloudwatch")
    dimensions = [{"Name": "Fleet", "Value": "main"}]

    def points(name: str) -> list[Any]:
        now = datetime.now(UTC)
        told = watch.get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=name,
            Dimensions=dimensions,
            StartTime=now - timedelta(minutes=3),
            EndTime=now,
            Period=10,
            Statistics=["Average"],
        )
        return list(told["Datapoints"])

    counts = {name: len(until(lambda name=name: points(name), name, 300, 10)) for name in (UTILISATION, FREE)}  # type: ignore[misc]
    return ", ".join(f"{name}: {count} points of ten seconds" for name, count in counts.items())


def floor_of_slots(at: RealAccount) -> str:
    """The alarm of few free slots starts a task."""
    at.needs_media()
    watch, ecs = at.client("cloudwatch"), at.client("ecs")
    found = [one for one in watch.describe_alarms()["MetricAlarms"] if "FewFree" in one["AlarmName"]]
    if not found:
        raise NotShown("there is no such alarm")
    cluster, service = at.out("ClusterName"), at.out("ServiceName")

    def wanted() -> int:
        return int(ecs.describe_services(cluster=cluster, services=[service])["services"][0]["desiredCount"])

    before = wanted()
    watch.set_alarm_state(AlarmName=found[0]["AlarmName"], StateValue="OK", StateReason="smoke")
    watch.set_alarm_state(AlarmName=found[0]["AlarmName"], StateValue="ALARM", StateReason="smoke")
    return f"{before} tasks wanted before, {until(lambda: wanted() > before and wanted(), 'one more task wanted', 120)} after"
