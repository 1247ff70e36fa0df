"""The control plane: the HTTP API, its functions, the queue of finished calls, the schedules."""

from __future__ import annotations

import json
from typing import Any

from aws_cdk import ArnFormat, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import environments
from infra.constructs.function import FunctionSpec, NexusFunction, retention
from infra.constructs.rights import READ_ITEMS, WRITE_ITEMS
from infra.nag import DEAD_END, OBJECTS_OF_A_KIND, OPEN_ROUTE, Reason, acknowledge, arn_as_told
from infra.names import title
from infra.settings import StageSettings
from infra.stacks.data import NexusData

PUBLIC_ROUTES = ("/health", "/health/{proxy+}", "/v1/.well-known/nexus", "/v1/openapi.json")
"""Read without a credential. Everything else is asked of the authorizer first."""
DOOR_KEYS = ("FLEET#*", "TENANT#*#DOCUMENTS", "TENANT#*#CALLS", "TENANT#*#CALLKEYS", "TENANT#*#SEATS")
"""What the API reaches under its own role; a tenant's own things it reaches under the tenant access role."""
OBJECTS = {
    "after_call": ("sessions/", "private/"),
    "jobs": ("sessions/", "private/", "media/", "lake/"),
    "expire": ("private/", "expiry/"),
}
"""Which kinds of objects a function reads or deletes."""
_AUTHORIZER_S = 10
_API_S = 29


class NexusControl(Stack):
    """Attributes: ``api``, ``stage``, ``access_logs``, ``queue``, ``dead_letters``, ``undelivered`` and ``functions`` (by module)."""

    def __init__(self, scope: Construct, id: str, *, settings: StageSettings, data: NexusData, public_url: str, **kwargs: Any) -> None:
        super().__init__(scope, id, **kwargs)
        self.settings = settings
        self._data = data
        self._public_url = public_url
        self.dead_letters = self._queue("DeadLetters", retention_days=14)
        self.undelivered = self._queue("Undelivered", retention_days=14)
        acknowledge(self.undelivered, DEAD_END)
        self.queue = self._queue(
            "Calls",
            retention_days=4,
            visibility_s=settings.visibility_s,
            dead_letters=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=settings.max_receives),
        )
        self.functions = self._functions()
        self._finished_calls()
        self._schedules()
        self.api, self.stage = self._http_api()
        self._outputs()

    def _queue(self, id: str, *, retention_days: int, visibility_s: int = 30, dead_letters: sqs.DeadLetterQueue | None = None) -> sqs.Queue:
        return sqs.Queue(
            self,
            id,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=not self.settings.local,
            visibility_timeout=Duration.seconds(visibility_s),
            retention_period=Duration.days(retention_days),
            dead_letter_queue=dead_letters,
            removal_policy=RemovalPolicy.DESTROY,
        )

    # --- functions ---------------------------------------------------------------------------------------------------------------

    def _functions(self) -> dict[str, NexusFunction]:
        specs = (
            self._api_spec(),
            self._authorizer_spec(),
            self._after_call_spec(),
            self._webhooks_spec(),
            self._jobs_spec(),
            self._expire_spec(),
        )
        made = {one.module: NexusFunction(self, title(one.module), settings=self.settings, spec=one) for one in specs}
        there = arn_as_told(self, self._data.bucket)
        for module, prefixes in OBJECTS.items():
            acknowledge(
                made[module], *(Reason(f"AwsSolutions-IAM5[Resource::{there}/{prefix}*]", OBJECTS_OF_A_KIND) for prefix in prefixes)
            )
        return made

    def _told(self, keys: secretsmanager.ISecret | None = None, *, tenant_role: bool = False, seals: bool = False) -> dict[str, str]:
        """``keys``: the secret that the function reads; ``seals``: whether it opens what tenants keep secret."""
        data = self._data
        at = environments.Places(
            table=data.table.table_name,
            bucket=data.bucket.bucket_name,
            issuer=data.issuer,
            audience=data.client.user_pool_client_id,
            issuer_keys_url=data.issuer_keys_url,
            keys_secret=keys.secret_arn if keys else "",
            calls_queue_url=self.queue.queue_url,
            public_url=self._public_url,
            tenant_role_arn=data.tenant_role.role_arn if tenant_role else "",
            kms_key_arn=data.key.key_arn if seals else "",
        )
        return environments.of_function(self.settings, at)

    @staticmethod
    def _reads(keys: secretsmanager.ISecret) -> iam.PolicyStatement:
        return iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[keys.secret_arn])

    def _send(self) -> iam.PolicyStatement:
        return iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[self.queue.queue_arn])

    def _api_spec(self) -> FunctionSpec:
        may = self._data.rights
        return FunctionSpec(
            module="api",
            environment=self._told(self._data.keys_secret, tenant_role=True, seals=True),
            may=(
                self._reads(self._data.keys_secret),
                may.items(*READ_ITEMS, *WRITE_ITEMS, leading=DOOR_KEYS),
                may.encrypted("dynamodb", "secretsmanager", writes=True),
                self._send(),
                iam.PolicyStatement(actions=["sts:AssumeRole"], resources=[self._data.tenant_role.role_arn]),
            ),
            memory_mb=self.settings.api_memory_mb,
            timeout_s=_API_S,
            snapshot=True,
            role=self._data.api_role,
        )

    def _authorizer_spec(self) -> FunctionSpec:
        may = self._data.rights
        return FunctionSpec(
            module="authorizer",
            environment=self._told(self._data.authorizer_secret),
            may=(
                self._reads(self._data.authorizer_secret),
                may.items(*READ_ITEMS, "PutItem", "ConditionCheckItem", leading=("TENANT#*#DOCUMENTS",)),
                may.encrypted("dynamodb", "secretsmanager", writes=True),
            ),
            memory_mb=self.settings.api_memory_mb,
            timeout_s=_AUTHORIZER_S,
            snapshot=True,
        )

    def _after_call_spec(self) -> FunctionSpec:
        may = self._data.rights
        stream = self.format_arn(
            service="firehose", resource="deliverystream", resource_name=self.settings.stream_name, arn_format=ArnFormat.SLASH_RESOURCE_NAME
        )
        return FunctionSpec(
            module="after_call",
            environment={**self._told(self._data.reader_secret), **environments.of_after_call(self.settings)},
            bundle="lambda-models",
            may=(
                self._reads(self._data.reader_secret),
                may.items(*READ_ITEMS, "PutItem", "DeleteItem", "ConditionCheckItem"),
                may.objects("GetObject", prefixes=OBJECTS["after_call"]),
                may.names(),
                may.encrypted("dynamodb", "secretsmanager", "s3", writes=True),
                iam.PolicyStatement(actions=["firehose:PutRecord"], resources=[stream]),
                self._send(),
            ),
            timeout_s=self.settings.after_call_timeout_s,
            memory_mb=512,
        )

    def _webhooks_spec(self) -> FunctionSpec:
        may = self._data.rights
        return FunctionSpec(
            module="webhooks",
            environment=self._told(seals=True),
            may=(
                may.items(*READ_ITEMS, "PutItem", "DeleteItem", "ConditionCheckItem"),
                may.encrypted("dynamodb", writes=True),
                may.seals("Decrypt"),
            ),
            timeout_s=55,
        )

    def _jobs_spec(self) -> FunctionSpec:
        may = self._data.rights
        erased = OBJECTS["jobs"]
        return FunctionSpec(
            module="jobs",
            environment=self._told(),
            may=(
                may.items(*READ_ITEMS, "PutItem", "DeleteItem", "BatchWriteItem", "ConditionCheckItem"),
                may.objects("DeleteObject", prefixes=erased),
                may.names(erased),
                may.encrypted("dynamodb", writes=True),
            ),
            timeout_s=300,
        )

    def _expire_spec(self) -> FunctionSpec:
        may = self._data.rights
        due = OBJECTS["expire"]
        return FunctionSpec(
            module="expire",
            environment=self._told(),
            may=(may.objects("DeleteObject", prefixes=due), may.names(due)),
            timeout_s=300,
        )

    # --- what begins them --------------------------------------------------------------------------------------------------------

    def _finished_calls(self) -> None:
        """An archived session: S3 tells EventBridge, which puts a message on the queue, which the function takes."""
        rule = events.Rule(
            self,
            "SessionArchived",
            description="A session was archived: its call is to be finished",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={"bucket": {"name": [self._data.bucket.bucket_name]}, "object": {"key": [{"prefix": "sessions/"}]}},
            ),
        )
        rule.add_target(targets.SqsQueue(self.queue, dead_letter_queue=self.undelivered))
        self.functions["after_call"].function.add_event_source(
            sources.SqsEventSource(
                self.queue,
                batch_size=10,
                max_concurrency=self.settings.after_call_abreast,
                report_batch_item_failures=True,
            )
        )

    def _schedules(self) -> None:
        for module, every in (("webhooks", Duration.minutes(1)), ("jobs", Duration.minutes(1)), ("expire", Duration.hours(1))):
            rule = events.Rule(self, f"{title(module)}Schedule", schedule=events.Schedule.rate(every))
            # A run that failed is made up for by the next; an event is not worth keeping.
            rule.add_target(targets.LambdaFunction(self.functions[module].target, retry_attempts=0, max_event_age=Duration.minutes(1)))

    # --- the API -----------------------------------------------------------------------------------------------------------------

    def _http_api(self) -> tuple[apigateway.HttpApi, apigateway.HttpStage]:
        api = apigateway.HttpApi(self, "HttpApi", api_name=f"{self.settings.name}-api", create_default_stage=False)
        behind = integrations.HttpLambdaIntegration("ApiIntegration", self.functions["api"].target)
        gate = authorizers.HttpLambdaAuthorizer(
            "Authorizer",
            self.functions["authorizer"].target,
            authorizer_name="credential",
            response_types=[authorizers.HttpLambdaResponseType.SIMPLE],
            identity_source=["$request.header.Authorization"],
            results_cache_ttl=Duration.seconds(60),
        )
        # A browser's preflight shows no credential; the API answers it by the origins that it knows.
        open_routes = [(path, apigateway.HttpMethod.GET) for path in PUBLIC_ROUTES] + [("/{proxy+}", apigateway.HttpMethod.OPTIONS)]
        for path, method in open_routes:
            for route in api.add_routes(path=path, methods=[method], integration=behind):
                acknowledge(route, OPEN_ROUTE)
        api.add_routes(path="/{proxy+}", methods=[*_METHODS], integration=behind, authorizer=gate)
        self.access_logs = written = logs.LogGroup(
            self, "AccessLogs", retention=retention(self.settings.log_retention_days), removal_policy=RemovalPolicy.DESTROY
        )
        stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=api,
            stage_name="$default",
            auto_deploy=True,
            detailed_metrics_enabled=True,
            throttle=apigateway.ThrottleSettings(rate_limit=self.settings.api_rate, burst_limit=self.settings.api_burst),
        )
        bare = stage.node.default_child
        assert isinstance(bare, apigateway.CfnStage)  # noqa: S101
        bare.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=written.log_group_arn, format=json.dumps(_ACCESS_LOG)
        )
        return api, stage

    def _outputs(self) -> None:
        told = {
            "ApiUrl": self.api.api_endpoint,
            "CallsQueueUrl": self.queue.queue_url,
            "CallsDeadLetterQueueUrl": self.dead_letters.queue_url,
        }
        for name, value in told.items():
            CfnOutput(self, name, value=value)


_ACCESS_LOG = {
    "time": "$context.requestTime",
    "request_id": "$context.requestId",
    "source": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "route": "$context.routeKey",
    "status": "$context.status",
    "response_bytes": "$context.responseLength",
    "took_ms": "$context.responseLatency",
    "function_ms": "$context.integrationLatency",
    "authorizer": "$context.authorizer.error",
    "tenant": "$context.authorizer.tenant_id",
    "error": "$context.integrationErrorMessage",
}
"""Routes, not paths: a path may hold what is nobody else's business."""
_METHODS = (
    apigateway.HttpMethod.GET,
    apigateway.HttpMethod.HEAD,
    apigateway.HttpMethod.POST,
    apigateway.HttpMethod.PUT,
    apigateway.HttpMethod.PATCH,
    apigateway.HttpMethod.DELETE,
)
