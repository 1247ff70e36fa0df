"""One deployment for all tests of this folder, which run in the order of their files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e_aws.deployment import Deployment, deployed
from tests.e2e_aws.media import MediaTask, media_task
from tests.fakes.ecs_agent import EcsAgent
from tests.fakes.gemini_server import GeminiServer, gemini_server
from tests.fakes.webhook_receiver import Receiver, receiver
from tests.unit.control_plane.handlers.conftest import in_a_thread

ROOT = Path(__file__).parents[2]
TENANT = "barber_shop_demo"
PASSWORD = "A-Long-Enough-1-Password"


@pytest.fixture(scope="session")
def gemini() -> Iterator[GeminiServer]:
    """Reads the calls of all tests; a test adds the answers that it needs to ``turns``."""
    with in_a_thread(partial(gemini_server)) as server:
        yield server


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory, gemini: GeminiServer) -> Iterator[Deployment]:
    """The stacks in the emulator, and the language model's key in the secret, as an operator puts it there."""
    with deployed(tmp_path_factory.mktemp("deployment"), {"gemini_base_url": gemini.base_url}) as made:
        told = json.dumps({"gemini_api_key": gemini.key})
        made.aws("lambda").invoke(FunctionName=made.function("Data-MakeKeys")["FunctionName"], Payload=told)
        assert made.secret("KeysSecretArn")["gemini_api_key"] == gemini.key, made.logs()[-2000:]
        yield made


@pytest.fixture(scope="session")
def operator(deployment: Deployment) -> str:
    """Token of a platform admin who signed in."""
    return sign_in(deployment, "operator@example.com", "platform_admin")


@pytest.fixture(scope="session")
def owner(deployment: Deployment, shop: dict[str, Any]) -> str:
    """Token of the shop's own admin."""
    return sign_in(deployment, "owner@example.com", "tenant_admin", tenant_id=shop["id"])


@pytest.fixture(scope="session")
def shop(deployment: Deployment, operator: str) -> dict[str, Any]:
    """A tenant made over REST: the demo barber, whose tools lie in the media container."""
    config = yaml.safe_load((ROOT / "tenants" / TENANT / "config.yaml").read_text())
    head = {"id": config.pop("tenant_id"), "name": config.pop("name"), "timezone": config.pop("timezone")}
    with deployment.api(operator) as api:
        made = api.post("/v1/tenants", json={**head, "language": config["voice_settings"]["language"]})
        assert made.status_code == 201, made.text
        draft = api.put(f"/v1/tenants/{TENANT}/config/draft", json=config)
        assert draft.status_code == 200, draft.text
        published = api.post(f"/v1/tenants/{TENANT}/config:publish")
        assert published.status_code == 200, published.text
        found: dict[str, Any] = made.json()
    return found


@pytest.fixture(scope="session")
def key(deployment: Deployment, operator: str, shop: dict[str, Any]) -> str:
    """An API key of the shop."""
    with deployment.api(operator) as api:
        made = api.post(
            f"/v1/tenants/{TENANT}/api-keys",
            json={"name": "website", "scopes": ["calls:write", "calls:read", "sessions:read", "leads:read"]},
        )
    assert made.status_code == 201, made.text
    secret: str = made.json()["secret"]
    return secret


@pytest.fixture(scope="session")
def crm() -> Iterator[Receiver]:
    """A web server of the shop, on this machine; what has arrived there lies in ``requests``."""
    with in_a_thread(receiver) as running:
        yield running


@pytest.fixture(scope="session")
def webhook(deployment: Deployment, owner: str, crm: Receiver) -> dict[str, Any]:
    """The shop has itself told of finished calls; the answer holds the secret."""
    with deployment.api(owner) as api:
        made = api.post(f"/v1/tenants/{TENANT}/webhooks", json={"url": crm.url})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


@pytest.fixture(scope="session")
def agent() -> Iterator[EcsAgent]:
    """The agent of ECS beside the media task."""
    with EcsAgent() as running:
        yield running
        assert running.faults == []


@pytest.fixture(scope="session")
def media(deployment: Deployment, shop: dict[str, Any], agent: EcsAgent) -> Iterator[MediaTask]:
    """The media plane as a process of this machine, over what is deployed."""
    with media_task(deployment, agent) as task:
        yield task


def sign_in(deployment: Deployment, email: str, role: str, tenant_id: str = "") -> str:
    """Make a person, as an operator does, and sign in as a browser does; the id token."""
    people, pool = deployment.aws("cognito-idp"), deployment.outputs["UserPoolId"]
    belongs = [{"Name": "custom:tenant_id", "Value": tenant_id}] if tenant_id else []
    attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}, *belongs]
    people.admin_create_user(UserPoolId=pool, Username=email, UserAttributes=attributes, MessageAction="SUPPRESS")
    people.admin_set_user_password(UserPoolId=pool, Username=email, Password=PASSWORD, Permanent=True)
    people.admin_add_user_to_group(UserPoolId=pool, Username=email, GroupName=role)
    answer = people.initiate_auth(
        ClientId=deployment.outputs["UserPoolClientId"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": email, "PASSWORD": PASSWORD},
    )
    token: str = answer["AuthenticationResult"]["IdToken"]
    return token
