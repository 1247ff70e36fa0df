"""What is deployed answers, and lets in whom it should."""

from __future__ import annotations

from tests.e2e_aws.deployment import Deployment


def test_the_service_describes_itself_to_everyone(deployment: Deployment) -> None:
    with deployment.api() as api:
        answer = api.get("/v1/.well-known/nexus")
        assert answer.status_code == 200, answer.text
        answer = api.get("/health/live")
        assert answer.status_code == 200, answer.text
        print(answer.json())
        for headers in ({}, {"Authorization": "Bearer junk"}):
            answer = api.get("/v1/tenants", headers=headers)
            print(answer.status_code, answer.text)
    print({k: v for k, v in deployment.outputs.items()}, deployment.secret("KeysSecretArn").keys(), deployment.secret("MediaSecretArn").keys())
    print(deployment.logs()[-3000:])
