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
    assert left(deployment) == {}


def left(deployment: Deployment) -> dict[str, list[str]]:
    """What still lies in the account, by service, but for what ``cdk bootstrap`` and the tests themselves have made."""
    of = deployment.aws
    listed = {
        "tables": of("dynamodb").list_tables()["TableNames"],
        "functions": [one["FunctionName"] for one in of("lambda").list_functions()["Functions"]],
        "buckets": [one["Name"] for one in of("s3").list_buckets()["Buckets"] if not one["Name"].startswith("cdk-")],
        "queues": of("sqs").list_queues().get("QueueUrls", []),
        "secrets": [one["Name"] for one in of("secretsmanager").list_secrets()["SecretList"]],
        "roles": [one["RoleName"] for one in of("iam").list_roles()["Roles"] if one["RoleName"].startswith("Nexus-")],
        "pools": [one["Name"] for one in of("cognito-idp").list_user_pools(MaxResults=10)["UserPools"]],
        "apis": [one["Name"] for one in of("apigatewayv2").get_apis()["Items"]],
        "streams": of("firehose").list_delivery_streams()["DeliveryStreamNames"],
        "rules": [one["Name"] for one in of("events").list_rules()["Rules"]],
        "logs": [one["logGroupName"] for one in of("logs").describe_log_groups()["logGroups"]],
    }
    return {name: found for name, found in listed.items() if found}
