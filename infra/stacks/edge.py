"""The firewall before CloudFront: AWS keeps such a one in us-east-1 only, wherever the rest of a stage lies."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack, Token
from constructs import Construct

from infra.constructs.firewall import Firewall
from infra.settings import StageSettings

REGION = "us-east-1"
_OUTPUT = "WebAclArn"


class NexusEdge(Stack):
    """Attributes: ``web_acl_arn``, as stacks of other regions name it."""

    def __init__(self, scope: Construct, id: str, *, settings: StageSettings, **kwargs: Any) -> None:
        super().__init__(scope, id, **kwargs)
        firewall = Firewall(self, "Firewall", settings=settings, reach="CLOUDFRONT")
        CfnOutput(self, _OUTPUT, value=firewall.arn)
        # By hand: CDK refers across regions only where both are written down, and the stage's own is known when it is deployed.
        told = {"StackName": self.stack_name, "Region": REGION, "OutputName": _OUTPUT}
        self.web_acl_arn = Token.as_string({"Fn::GetStackOutput": told})
