"""Steps about what is kept and who may reach it."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
import httpx
from botocore.exceptions import ClientError

from local.query.saved import saved_questions
from local.query.statement import OPERATOR_TABLE, question
from nexus.adapters.aws.policy import tenant_session_policy
from nexus.adapters.aws.xray import xray_id
from nexus.domain.trace import trace_id_of
from scripts.smoke_aws.account import STAGE, TENANT, RealAccount, until
from scripts.smoke_aws.course import NotShown, NotTried

_REFUSED = ("AccessDenied", "AccessDeniedException")


def deploy(at: RealAccount) -> str:
    """All stacks stand."""
    began = time.monotonic()
    at.deploy()
    return f"in {time.monotonic() - began:.0f} s"


def leading_keys(at: RealAccount) -> str:
    """A role like the tenant's: its own items, and no other's."""
    iam, table = at.client("iam"), at.out("TableName")
    name = f"nexus-smoke-{at.run_id}"
    told = at.out("TenantAccessRoleArn").rpartition("/")[2]
    policies = [
        iam.get_role_policy(RoleName=told, PolicyName=one)["PolicyDocument"] for one in iam.list_role_policies(RoleName=told)["PolicyNames"]
    ]
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": at.number}}]}
    at.undo.later(f"role {name}", lambda: _delete_role(iam, name))
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    for number, document in enumerate(policies):
        iam.put_role_policy(RoleName=name, PolicyName=f"p{number}", PolicyDocument=json.dumps(document))
    table_arn = at.client("dynamodb").describe_table(TableName=table)["Table"]["TableArn"]
    narrowed = json.dumps(tenant_session_policy(table_arn, f"arn:aws:s3:::{at.out('BucketName')}", TENANT))
    items = until(lambda: _assumed(at, name, narrowed), "the role can be assumed", 60)
    allowed = {
        key: _reads(items, table, key) for key in (f"TENANT#{TENANT}#LEADS", f"TENANT#{TENANT}2#LEADS", "TENANT#other#LEADS", "FLEET#main")
    }
    wrong = [key for key, may in allowed.items() if may is not key.startswith(f"TENANT#{TENANT}#")]
    if wrong:
        raise NotShown(f"DynamoDB answered otherwise for {', '.join(wrong)}")
    return "own items read; a namesake's, another's and the fleet's refused"


def _assumed(at: RealAccount, name: str, policy: str) -> Any:
    try:
        got = at.client("sts").assume_role(RoleArn=f"arn:aws:iam::{at.number}:role/{name}", RoleSessionName="smoke", Policy=policy)[
            "Credentials"
        ]
    except ClientError:
        return None
    return boto3.client(
        "dynamodb",
        region_name=at.region,
        aws_access_key_id=got["AccessKeyId"],
        aws_secret_access_key=got["SecretAccessKey"],
        aws_session_token=got["SessionToken"],
    )


def _reads(items: Any, table: str, key: str) -> bool:
    try:
        items.get_item(TableName=table, Key={"pk": {"S": key}, "sk": {"S": "none"}})
    except ClientError as error:
        if error.response["Error"]["Code"] in _REFUSED:
            return False
        raise
    return True


def _delete_role(iam: Any, name: str) -> None:
    try:
        for one in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=one)
        iam.delete_role(RoleName=name)
    except iam.exceptions.NoSuchEntityException:
        return


def table_switches(at: RealAccount) -> str:
    """Deletion by time and recovery are on in the table itself."""
    dynamodb, table = at.client("dynamodb"), at.out("TableName")
    ttl = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"]
    back = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    if ttl not in ("ENABLED", "ENABLING") or back["PointInTimeRecoveryStatus"] != "ENABLED":
        raise NotShown(f"time to live {ttl}, recovery {back['PointInTimeRecoveryStatus']}")
    return f"time to live {ttl.lower()}, recovery for {back.get('RecoveryPeriodInDays', '?')} days"


def snap_start(at: RealAccount) -> str:
    """A start from a snapshot, and how long it takes."""
    at.out("ApiUrl")
    functions, name = at.client("lambda"), _function(at, "Api")
    alias = next(iter(functions.list_aliases(FunctionName=name)["Aliases"]), None)
    if alias is None:
        raise NotShown("the API's function has no alias")
    held = functions.get_function_configuration(FunctionName=name, Qualifier=alias["FunctionVersion"])["SnapStart"]
    if held["OptimizationStatus"] != "On":
        raise NotShown(f"SnapStart is {held['OptimizationStatus']}")
    event = {
        "version": "2.0",
        "rawPath": "/health/live",
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": "/health/live"}},
    }
    answer = functions.invoke(FunctionName=name, Qualifier=alias["Name"], LogType="Tail", Payload=json.dumps(event))
    log = base64.b64decode(answer.get("LogResult", "")).decode()
    found = re.search(r"Restore Duration: ([\d.]+) ms", log)
    return f"restored in {found[1]} ms" if found else "on; this start was warm, so no time was measured"


def _function(at: RealAccount, part: str) -> str:
    for page in at.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=f"Nexus-{STAGE}-Control"):
        for one in page["StackResourceSummaries"]:
            if one["ResourceType"] == "AWS::Lambda::Function" and one["LogicalResourceId"].startswith(part):
                return str(one["PhysicalResourceId"])
    raise NotShown(f"no function {part} in the control stack")


def sign_in_page(at: RealAccount) -> str:
    """Cognito's own page at our prefix, and a description of it that the console can use."""
    page = f"https://nexus-smoke-{at.run_id}.auth.{at.region}.amazoncognito.com"
    answer = until(lambda: _page(f"{page}/login", at.out("UserPoolClientId")), "the sign-in page", 180)
    url = f"https://cognito-idp.{at.region}.amazonaws.com/{at.out('UserPoolId')}/.well-known/openid-configuration"
    told = httpx.get(url, headers={"Origin": "https://console.example.com"}, timeout=10, trust_env=False)
    check_description(told.json(), told.headers, page)
    return f"{answer.status_code} from Cognito's own domain, which the pool's description names to pages of others"


def check_description(told: Mapping[str, Any], headers: Mapping[str, str], page: str) -> None:
    """Raises NotShown: the console could not sign people in, or out, by it."""
    if headers.get("access-control-allow-origin") != "*":
        raise NotShown("the pool's description may not be read by pages of another origin")
    for name in ("authorization_endpoint", "token_endpoint", "end_session_endpoint"):
        if not str(told.get(name, "")).startswith(f"{page}/"):
            raise NotShown(f"{name} is {told.get(name)!r}, which the console's content policy does not name")


def _page(url: str, client: str) -> httpx.Response | None:
    try:
        answer = httpx.get(url, params={"client_id": client, "response_type": "code"}, timeout=10, trust_env=False)
    except httpx.HTTPError:
        return None
    return answer if answer.status_code < 500 else None


def rows_in_athena(at: RealAccount) -> str:
    """From a finished call to its row."""
    call = next(iter(at.outputs.get("FinishedCalls", "").split()), "")
    if not call:
        raise NotTried("no call was finished before")
    began = time.monotonic()
    asked = f"SELECT call_id FROM {OPERATOR_TABLE} WHERE call_id = '{call}'"  # noqa: S608 - both are our own words
    until(lambda: _rows(at, asked), "the row in Athena", 420, 15)
    return f"{time.monotonic() - began:.0f} s after it was looked for first"


def call_in_xray(at: RealAccount) -> str:
    """A finished call's trace, from order to lead."""
    call = next(iter(at.outputs.get("FinishedCalls", "").split()), "")
    if not call:
        raise NotTried("no call was finished before")
    trace = xray_id(trace_id_of(call))
    xray = at.client("xray")

    def parts() -> set[str]:
        found = xray.batch_get_traces(TraceIds=[trace])["Traces"]
        return {json.loads(one["Document"])["name"] for trace in found for one in trace["Segments"]}

    until(lambda: {"nexus-api", "nexus-media", "nexus-after-call"} <= parts(), f"the trace {trace}, from order to lead", 180)
    return f"{trace}: {', '.join(sorted(parts()))}"


def athena_dialect(at: RealAccount) -> str:
    """Every saved question is taken by Athena itself."""
    today = datetime.now(UTC).date().isoformat()
    values = {"tenant_id": TENANT, "since": today, "until": today, "zone": "UTC"}
    asked = [_rows(at, question(one.text, {name: values.get(name, 10) for name in one.waits_for}).text) for one in saved_questions()]
    return f"{len(asked)} questions answered"


def _rows(at: RealAccount, text: str) -> list[Any]:
    athena = at.client("athena")
    query = athena.start_query_execution(
        QueryString=text, WorkGroup=at.out("OperatorWorkgroup"), QueryExecutionContext={"Database": at.out("GlueDatabase")}
    )["QueryExecutionId"]

    def over() -> Any:
        state = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        return state if state["State"] in ("SUCCEEDED", "FAILED", "CANCELLED") else None

    state = until(over, "the query", 120, 1)
    if state["State"] != "SUCCEEDED":
        raise NotShown(f"{state.get('StateChangeReason', state['State'])[:300]}: {text[:120]}")
    return list(athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"][1:])
