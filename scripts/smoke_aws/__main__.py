"""`make smoke-aws`: asks, takes the steps, cleans up. ``--plan`` only tells what would be done and asks nothing of AWS."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from scripts.smoke_aws import data_steps as data
from scripts.smoke_aws import media_steps as media
from scripts.smoke_aws.account import RealAccount
from scripts.smoke_aws.course import Bounds, Finding, Step, course, plan

STEPS: tuple[Step, ...] = (
    Step("deploy", "all stacks deploy to AWS's own CloudFormation", data.deploy, 2400, 0.60, stops=True),
    Step("leading-keys", "IAM keeps a tenant to its own items (dynamodb:LeadingKeys)", data.leading_keys, 180, 0.01),
    Step("table-switches", "time to live and recovery are on, by CloudFormation", data.table_switches, 30, 0.01),
    Step("snapstart", "the API's function starts from a snapshot", data.snap_start, 60, 0.05),
    Step("sign-in-page", "Cognito serves its page at our prefix", data.sign_in_page, 240, 0.01),
    Step("gpu-sharing", "two server processes share one GPU in one task", media.gpu_sharing, 1800, 0.0),
    Step("door-tls", "the load balancer serves TLS 1.2 or newer and finds tasks ready", media.door, 1800, 0.40),
    Step("idle-socket", "a caller who is silent longer than the idle limit stays", media.idle_socket, 300, 0.05),
    Step("relay", "a ticket works whichever task the load balancer picks", media.relay, 1800, 0.40),
    Step("task-protection", "a task with a call is protected, and only then", media.task_protection, 360, 0.10),
    Step("metrics", "log lines become metrics of ten seconds", media.metrics, 660, 0.30),
    Step("rolling-deployment", "a call lives through a deployment, and the deployment ends", media.rolling_deployment, 2100, 1.20),
    Step("floor-of-slots", "the alarm of few free slots starts a task at once", media.floor_of_slots, 180, 0.20),
    Step("warm-pool", "a stopped host joins faster than a new one", media.warm_pool, 1900, 2.50),
    Step("host-draining", "a call outlives the draining of its host", media.host_draining, 480, 0.60),
    Step("access-logs", "access logs come, and hold no ticket", media.access_logs, 660, 0.05),
    Step("firehose-timing", "a finished call is a row within minutes", data.rows_in_athena, 480, 0.05),
    Step("call-in-xray", "X-Ray shows a call from its order to its lead as one trace", data.call_in_xray, 240, 0.01),
    Step("athena-dialect", "Athena takes every saved question", data.athena_dialect, 600, 0.05),
)


def bounds(*, gpu: bool) -> Bounds:
    """Without GPU hosts three Fargate tasks stand; with them six hosts at most, while a deployment runs the old and the new."""
    return Bounds(steps_s=4 * 3600, undo_s=1800, hourly_usd=13.0 if gpu else 1.2)


def run(steps: Sequence[Step], at: RealAccount, ask: Callable[[str], str], tell: Callable[[str], None]) -> int:
    """Ask, take the steps, clean up. 0: all that was tried was shown; 1: something was not; 2: nobody agreed."""
    tell(plan(steps, bounds(gpu=at.gpu)))
    number = at.number
    if (
        ask(f"This makes and removes stacks of stage dev in account {number}, {at.region}. Write the account's number to go on: ").strip()
        != number
    ):
        tell("Nothing was done.")
        return 2
    return report(course(steps, at, tell, bounds(gpu=at.gpu)), tell)


def report(found: Sequence[Finding], tell: Callable[[str], None]) -> int:
    """Sum up."""
    for outcome in ("shown", "not shown", "not tried"):
        names = [one.name for one in found if one.outcome == outcome]
        tell(f"{outcome:9} {len(names):2}  {', '.join(names)}")
    return 1 if any(one.outcome == "not shown" for one in found) or not any(one.outcome == "shown" for one in found) else 0


def main(words: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="make smoke-aws", description=__doc__)
    parser.add_argument("--plan", action="store_true", help="only tell the steps, their time and their cost")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION", "eu-west-1"))
    parser.add_argument("--media-image", default="", help="URI of the media container, pushed before")
    parser.add_argument("--personaplex-image", default="", help="URI of the PersonaPlex server's container")
    parser.add_argument("--gpu", action="store_true", help="rent GPU hosts: two to three g6e.xlarge while it runs")
    parser.add_argument("--only", action="append", default=[], help="of the steps after deploy only these")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a further setting of the stage (docs/infra.md)")
    told = parser.parse_args(words)
    unknown = set(told.only) - {step.name for step in STEPS}
    if unknown:
        parser.error(f"no such step: {', '.join(sorted(unknown))}")
    steps = [step for step in STEPS if not told.only or step.stops or step.name in told.only]
    if told.plan:
        print(plan(steps, bounds(gpu=told.gpu)))
        return 0
    at = RealAccount(told.region, told.media_image, told.personaplex_image, told.gpu, tuple(told.set))
    return run(steps, at, input, print)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
