"""Somebody who asks questions: a workgroup with a cap and a place for results, and a role that reaches no further."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Aws, CfnOutput, Tags
from aws_cdk import aws_athena as athena
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.analytics.policies import LakeArns, Reach, reader_policy

_GB = 1024**3


@dataclass(frozen=True, slots=True)
class Reader:
    """Attributes:
    workgroup: its name.
    files: how the names of what is read begin.
    results: how the names of results begin, with a slash at the end.
    tables: what may be asked.
    cap_gb: a query that reads more is cancelled.
    """

    workgroup: str
    files: str
    results: str
    tables: Sequence[str]
    cap_gb: int


@dataclass(frozen=True, slots=True)
class Rooms:
    """What all readers share: places, the bucket of results, and who may take their roles."""

    arns: LakeArns
    results_bucket: str
    principals: Sequence[str]


class ReaderRoom(Construct):
    """Workgroup and role of one reader.

    Attributes:
        role: what an analyst takes.
    """

    def __init__(self, scope: Construct, construct_id: str, *, reader: Reader, rooms: Rooms) -> None:
        super().__init__(scope, construct_id)
        workgroup_arn = f"arn:{Aws.PARTITION}:athena:{Aws.REGION}:{Aws.ACCOUNT_ID}:workgroup/{reader.workgroup}"
        athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=reader.workgroup,
            recursive_delete_option=True,
            work_group_configuration={
                "enforceWorkGroupConfiguration": True,
                "publishCloudWatchMetricsEnabled": True,
                "requesterPaysEnabled": False,
                "bytesScannedCutoffPerQuery": reader.cap_gb * _GB,
                "engineVersion": {"selectedEngineVersion": "Athena engine version 3"},
                "resultConfiguration": {
                    "outputLocation": f"s3://{rooms.results_bucket}/{reader.results}",
                    "encryptionConfiguration": {"encryptionOption": "SSE_KMS", "kmsKey": rooms.arns.key},
                },
            },
        )
        document = reader_policy(rooms.arns, Reach(reader.files, reader.results, reader.tables, workgroup_arn))
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=_whoever(rooms.principals),
            description=f"Analysts of the workgroup {reader.workgroup}",
            inline_policies={"ask": iam.PolicyDocument.from_json(document)},
        )
        Tags.of(self).add("nexus:workgroup", reader.workgroup)
        CfnOutput(self, "RoleArn", value=self.role.role_arn, description=f"Role of analysts of {reader.workgroup}")


def _whoever(principals: Sequence[str]) -> iam.IPrincipal:
    if not principals:
        return iam.AccountRootPrincipal()
    return iam.CompositePrincipal(*(iam.ArnPrincipal(one) for one in principals))
