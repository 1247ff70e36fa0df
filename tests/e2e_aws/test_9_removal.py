"""Stage local goes without a trace."""

from __future__ import annotations

from tests.e2e_aws.deployment import STACKS, Deployment


def test_destroy_leaves_nothing(deployment: Deployment) -> None:
    s3 = deployment.aws("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=deployment.outputs["BucketName"]):
        for one in page.get("Contents", []):  # a bucket that holds something outlives its stack, in AWS as here
            s3.delete_object(Bucket=deployment.outputs["BucketName"], Key=one["Key"])
    deployment.cdk("destroy", "destroy", *STACKS, "--force", **deployment.settings)
    stacks = deployment.aws("cloudformation").list_stacks()["StackSummaries"]
    assert [one["StackName"] for one in stacks if one["StackName"] in STACKS and one["StackStatus"] != "DELETE_COMPLETE"] == []
    assert deployment.aws("dynamodb").list_tables()["TableNames"] == []
    assert deployment.aws("lambda").list_functions()["Functions"] == []
