"""What an operator sees and is woken by: alarms with runbooks, a dashboard, saved questions to the logs, a test call, a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.constructs.function import FunctionSpec, NexusFunction
from infra.environments import of_canary_function
from infra.nag import Reason, acknowledge
from infra.observability.alarms import (
    AFTER_CALLS,
    API,
    CALLS,
    CANARY_NAMESPACE,
    FUNCTION_NAMESPACE,
    MEDIA_NAMESPACE,
    MEDIA_SILENT,
    OF_FUNCTIONS,
    PROCESSES,
    Alarm,
    canary,
)
from infra.observability.questions import QUESTIONS, Question
from infra.settings import StageSettings
from infra.stacks.console import NexusConsole
from infra.stacks.control import NexusControl
from infra.stacks.data import NexusData
from infra.stacks.media import NexusMedia

CANARY_TIMEOUT_S = 180


@dataclass(frozen=True, slots=True)
class Watched:
    """The stacks that are looked at."""

    data: NexusData
    control: NexusControl
    media: NexusMedia
    console: NexusConsole


class NexusObservability(Stack):
    """Attributes: ``topic`` (where alarms go), ``alarms`` by id."""

    def __init__(self, scope: Construct, id: str, *, settings: StageSettings, watched: Watched, **kwargs: Any) -> None:
        super().__init__(scope, id, **kwargs)
        self._settings = settings
        self._watched = watched
        self._places = self._told()
        self.topic = self._topic()
        self.alarms = {one.id: self._alarm(one) for one in self._wanted()}
        self._dashboard()
        for question in QUESTIONS:
            self._question(question)
        if settings.canary_tenant:
            self._canary()
        if settings.monthly_budget_usd:
            self._budget()
        CfnOutput(self, "AlarmTopicArn", value=self.topic.topic_arn)

    def _wanted(self) -> tuple[Alarm, ...]:
        settings = self._settings
        silent = (MEDIA_SILENT,) if settings.tasks_min else ()
        placed = canary(settings.canary_minutes) if settings.canary_tenant else ()
        return (*CALLS, *PROCESSES, *silent, *AFTER_CALLS, *API, *OF_FUNCTIONS, *placed)

    # --- alarms ------------------------------------------------------------------------------------------------------------------

    def _topic(self) -> sns.Topic:
        """Encrypted with the stage's own key, which those who publish may use. A key that was given does not encrypt it: its policy is not
        ours, and where it refused CloudWatch no alarm would arrive and nothing would say so. What is told are names and figures."""
        key = self._watched.data.key
        own = not self._settings.kms_key_arn
        topic = sns.Topic(self, "Alarms", display_name=f"{self._settings.name} alarms", enforce_ssl=True, master_key=key if own else None)
        topic.add_to_resource_policy(self._tell("sns:Publish", on=topic.topic_arn))
        if own:
            key.add_to_resource_policy(self._tell("kms:Decrypt", "kms:GenerateDataKey*", on="*"))
        if self._settings.alarm_email:
            topic.add_subscription(subscriptions.EmailSubscription(self._settings.alarm_email))
        return topic

    def _tell(self, *actions: str, on: str) -> iam.PolicyStatement:
        """What CloudWatch and Budgets of this account may do."""
        return iam.PolicyStatement(
            sid="Tell",
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com"), iam.ServicePrincipal("budgets.amazonaws.com")],
            actions=[*actions],
            resources=[on],
            conditions={"StringEquals": {"aws:SourceAccount": self.account}},
        )

    def _told(self) -> Mapping[str, tuple[str, dict[str, str]]]:
        """Namespace and dimensions by source."""
        control, media = self._watched.control, self._watched.media
        queues = {"calls": control.queue, "dead_letters": control.dead_letters, "undelivered": control.undelivered}
        door = {"LoadBalancer": media.door.balancer.load_balancer_full_name, "TargetGroup": media.door.group.target_group_full_name}
        return {
            "media": (MEDIA_NAMESPACE, {"Fleet": self._settings.fleet}),
            "canary": (CANARY_NAMESPACE, {"service": "canary"}),
            "api": ("AWS/ApiGateway", {"ApiId": control.api.api_id}),
            "table": ("AWS/DynamoDB", {"TableName": self._watched.data.table.table_name}),
            "stream": ("AWS/Firehose", {"DeliveryStreamName": self._settings.stream_name}),
            "door": ("AWS/ApplicationELB", door),
            **{name: ("AWS/SQS", {"QueueName": queue.queue_name}) for name, queue in queues.items()},
        }

    def _metric(self, source: str, name: str, statistic: str, *, period_s: int = 60, of: str = "") -> cloudwatch.Metric:
        if source == "function":
            namespace, dimensions = FUNCTION_NAMESPACE, {"service": of}
        elif source == "lambda":
            namespace, dimensions = "AWS/Lambda", {"FunctionName": self._watched.control.functions[of].function.function_name}
        else:
            namespace, dimensions = self._places[source]
        return cloudwatch.Metric(
            namespace=namespace, metric_name=name, dimensions_map=dimensions, statistic=statistic, period=Duration.seconds(period_s)
        )

    def _alarm(self, one: Alarm) -> cloudwatch.Alarm:
        kind = cloudwatch.ComparisonOperator
        silence = cloudwatch.TreatMissingData.BREACHING if one.silence else cloudwatch.TreatMissingData.NOT_BREACHING
        made = cloudwatch.Alarm(
            self,
            one.id,
            alarm_name=f"{self._settings.name}-{one.anchor}" + (f"-{one.of}" if one.of and one.source == "lambda" else ""),
            alarm_description=f"{one.meaning} What to do: {self._settings.runbooks_url}#{one.anchor}",
            metric=self._metric(one.source, one.metric, one.statistic, period_s=one.period_s, of=one.of),
            threshold=one.above,
            comparison_operator=kind.LESS_THAN_THRESHOLD if one.below else kind.GREATER_THAN_THRESHOLD,
            datapoints_to_alarm=one.within[0],
            evaluation_periods=one.within[1],
            treat_missing_data=silence,
        )
        made.add_alarm_action(actions.SnsAction(self.topic))
        made.add_ok_action(actions.SnsAction(self.topic))
        return made

    def _budget(self) -> None:
        """Of the whole account: what a stage costs alone is known only after its tags are switched on for billing."""

        def told(kind: str, percent: int) -> budgets.CfnBudget.NotificationWithSubscribersProperty:
            return budgets.CfnBudget.NotificationWithSubscribersProperty(
                notification=budgets.CfnBudget.NotificationProperty(
                    comparison_operator="GREATER_THAN", notification_type=kind, threshold=percent, threshold_type="PERCENTAGE"
                ),
                subscribers=[budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=self.topic.topic_arn)],
            )

        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=f"{self._settings.name}-month",
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=self._settings.monthly_budget_usd, unit="USD"),
            ),
            notifications_with_subscribers=[told("ACTUAL", 80), told("FORECASTED", 100)],
        )

    # --- to look at --------------------------------------------------------------------------------------------------------------

    def _dashboard(self) -> None:
        board = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=self._settings.name, default_interval=Duration.hours(3))
        board.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=[*self.alarms.values()], width=24, height=4))
        for row in self._rows():
            board.add_widgets(*(cloudwatch.GraphWidget(title=title, left=[*left], width=8, height=6) for title, left in row.items()))

    def _rows(self) -> tuple[Mapping[str, list[cloudwatch.IMetric]], ...]:
        def of(source: str, statistic: str, *names: str) -> list[cloudwatch.IMetric]:
            return [self._metric(source, name, statistic) for name in names]

        def each(source: str, name: str) -> list[cloudwatch.IMetric]:
            return [self._metric(source, name, "Sum", of=module) for module in self._watched.control.functions]

        return (
            {
                "Slots (sum of a task's beats within a minute: six)": of("media", "Sum", "SlotsTotal", "SlotsBusy", "SlotsFree"),
                "Slots in use, percent": of("media", "Average", "SlotUtilisation"),
                "Calls": of("media", "Sum", "CallsStarted", "CallsEnded", "CallsDroppedByUs", "Refused"),
            },
            {
                "Answers, ms": [*of("media", "p50", "TurnLatencyMs"), *of("media", "p95", "TurnLatencyMs")],
                "Behind, ms": of("media", "Maximum", "EngineLagMs", "EventLoopLagMs", "EventLoopLagMaxMs"),
                "Processes in trouble": of("media", "Sum", "HeartbeatFailures", "ProtectionFailures", "CallsWithErrors", "AudioUnderruns"),
            },
            {
                "API: requests and faults": of("api", "Sum", "Count", "4xx", "5xx"),
                "API: p50, p99 ms": [*of("api", "p50", "Latency"), *of("api", "p99", "Latency")],
                "Functions: errors": each("lambda", "Errors"),
            },
            {
                "Finished calls that wait": of("calls", "Maximum", "ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"),
                "Given up": [
                    metric
                    for queue in ("dead_letters", "undelivered")
                    for metric in of(queue, "Maximum", "ApproximateNumberOfMessagesVisible")
                ],
                "Age of the lake, s": of("stream", "Maximum", "DeliveryToS3.DataFreshness"),
            },
            {
                "Table: units": of("table", "Sum", "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"),
                "Table: throttled": of("table", "Sum", "ReadThrottleEvents", "WriteThrottleEvents"),
                "Test calls": of("canary", "Average", "AnswerMs", "Success"),
            },
        )

    def _question(self, question: Question) -> None:
        control, media = self._watched.control, self._watched.media
        asked = [
            *([media.log_group] if question.media else []),
            *([one.log_group for one in control.functions.values()] if question.functions else []),
            *([control.access_logs] if question.access else []),
        ]
        logs.CfnQueryDefinition(
            self,
            f"Question {question.name}",
            name=f"{self._settings.name}/{question.name}",
            query_string=question.text,
            log_group_names=[one.log_group_name for one in asked],
        )

    # --- the test call -----------------------------------------------------------------------------------------------------------

    def _canary(self) -> None:
        """Orders a call with a key of test mode, types a line, wants an answer and then a record."""
        settings = self._settings
        key = secretsmanager.CfnSecret(
            self,
            "CanaryKey",
            description=f"Nexus {settings.stage}: the API key (test mode) of the test call; filled by hand",
            kms_key_id=self._watched.data.key.key_arn,
        )
        key.apply_removal_policy(RemovalPolicy.DESTROY)
        acknowledge(key, Reason("AwsSolutions-SMG4", "It holds an API key of ours, which is rotated where keys are (nexus key rotate)."))
        spec = FunctionSpec(
            module="canary",
            bundle="lambda-models",
            environment=of_canary_function(settings, self._watched.control.api.api_endpoint, key.attr_id),
            may=(
                iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[key.attr_id]),
                self._watched.data.rights.encrypted("secretsmanager"),
            ),
            timeout_s=CANARY_TIMEOUT_S,
        )
        made = NexusFunction(self, "Canary", settings=settings, spec=spec)
        rule = events.Rule(self, "CanarySchedule", schedule=events.Schedule.rate(Duration.minutes(settings.canary_minutes)))
        rule.add_target(targets.LambdaFunction(made.target, retry_attempts=0, max_event_age=Duration.minutes(1)))
        CfnOutput(self, "CanaryKeySecretArn", value=key.attr_id)
