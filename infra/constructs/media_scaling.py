"""How many media tasks there are: by the share of slots in use, and at once when few are free."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from infra.capacity.policies import floor_steps
from infra.constructs.media_task import slots
from infra.settings import StageSettings

NAMESPACE = "Nexus/Media"
UTILISATION = "SlotUtilisation"
"""Percent of a task's slots in use."""
FREE = "SlotsFree"
"""Slots of a task that could take a call now."""
EVERY_S = 10
"""How often each task tells both."""


class MediaScaling(Construct):
    """Attributes: ``free`` (free slots of the fleet, as a metric), ``utilisation``."""

    def __init__(self, scope: Construct, id: str, *, settings: StageSettings, service: ecs.BaseService) -> None:
        super().__init__(scope, id)
        self._settings = settings
        self.utilisation = self._metric(UTILISATION, "Average", 60)
        # Tasks tell every ten seconds, each in its own time: over thirty seconds a beat that comes early or late weighs little.
        self.free = cloudwatch.MathExpression(
            expression=f"told / {30 // EVERY_S}", using_metrics={"told": self._metric(FREE, "Sum", 30)}, period=Duration.seconds(30)
        )
        self.target = scaling.ScalableTarget(
            self,
            "Tasks",
            service_namespace=scaling.ServiceNamespace.ECS,
            resource_id=f"service/{service.cluster.cluster_name}/{service.service_name}",
            scalable_dimension="ecs:service:DesiredCount",
            min_capacity=settings.tasks_min,
            max_capacity=settings.tasks_max,
        )
        self.target.scale_to_track_metric(
            "Utilisation",
            custom_metric=self.utilisation,
            target_value=settings.target_percent,
            scale_in_cooldown=Duration.seconds(settings.scale_in_cooldown_s),
            scale_out_cooldown=Duration.seconds(settings.scale_out_cooldown_s),
        )
        if settings.free_slots_floor:
            self._floor()

    def _metric(self, name: str, statistic: str, period_s: int) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map={"Fleet": self._settings.fleet},
            statistic=statistic,
            period=Duration.seconds(period_s),
        )

    def _floor(self) -> None:
        """As simulated (``infra.capacity``): the fewer slots are free, the more tasks are added at once."""
        floor = self._settings.free_slots_floor
        policy = scaling.StepScalingAction(
            self,
            "MoreAtOnce",
            scaling_target=self.target,
            adjustment_type=scaling.AdjustmentType.CHANGE_IN_CAPACITY,
            cooldown=Duration.seconds(self._settings.scale_out_cooldown_s),
            metric_aggregation_type=scaling.MetricAggregationType.MINIMUM,
        )
        steps = dict(floor_steps(floor, slots(self._settings)))  # of steps at the same place the strongest stays
        bounds = [*steps, None]
        for (below, add), next_below in zip(steps.items(), bounds[1:], strict=True):
            policy.add_adjustment(adjustment=add, upper_bound=below - floor, lower_bound=None if next_below is None else next_below - floor)
        alarm = self.free.create_alarm(
            self,
            "FewFree",
            alarm_description=f"Fewer than {floor} free slots: more media tasks are started at once.",
            threshold=floor,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.ApplicationScalingAction(policy))
