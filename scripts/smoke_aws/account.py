"""The account of a run: AWS by boto3, the stacks by the cdk command, our API by HTTP, and one tenant with its calls."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scripts.smoke_aws.course import NotShown, NotTried, Undo

STAGE = "dev"
DOMAIN = "voice.nexus-smoke.example.com"
"""Nobody's: callers of a run go to the load balancer's own address and look for this name in its certificate."""
TENANT = "smoke_shop"
_MAKE = ("make", "--no-print-directory", f"STAGE={STAGE}")


@dataclass
class RealAccount:
    """One run.

    Attributes:
        region: where.
        media_image: URI of the media container, in the account; without one the media plane's steps are not tried.
        gpu: whether GPU hosts are rented, with ``personaplex_image`` and the weights that the settings name.
        more: further settings of the stage, as ``name=value``.
    """

    region: str
    media_image: str = ""
    personaplex_image: str = ""
    gpu: bool = False
    more: tuple[str, ...] = ()
    undo: Undo = field(default_factory=Undo)
    run_id: str = field(default_factory=lambda: secrets.token_hex(4))
    outputs: dict[str, str] = field(default_factory=dict)
    certificate: bytes = b""
    token: str = ""
    tickets: list[str] = field(default_factory=list)

    def client(self, service: str) -> Any:
        """A client of boto3."""
        made: Any = boto3.client  # its stubs know no service by a variable
        return made(service, region_name=self.region)

    @cached_property
    def number(self) -> str:
        """The account's."""
        return str(self.client("sts").get_caller_identity()["Account"])

    # --- stacks ---

    def deploy(self) -> None:
        """All stacks. They are unmade at the end, also when half of them stand. Raises NotTried: they stand already."""
        cloudformation = self.client("cloudformation")
        there = {one["StackName"] for page in cloudformation.get_paginator("describe_stacks").paginate() for one in page["Stacks"]}
        taken = sorted(name for name in there if name.startswith(f"Nexus-{STAGE}-"))
        if taken:
            raise NotTried(
                f"this account has a stage {STAGE} already ({', '.join(taken)}); a run makes its own and removes it: take another account"
            )
        told = self.settings()
        self.undo.later("stacks", lambda: self._remove(told))
        _do(*_MAKE, "bootstrap")
        _do(*_MAKE, "deploy", f"ARGS=--require-approval never {told}")
        held = json.loads(Path(f"cdk.out/outputs-{STAGE}.json").read_text())
        self.outputs.update({name: value for stack in held.values() for name, value in stack.items()})

    def settings(self) -> str:
        """What the stage is told, as the cdk command wants it."""
        own = {
            "engine": "personaplex" if self.gpu else "cascade",
            "media_image": self.media_image,
            "personaplex_image": self.personaplex_image,
            "media_domain": DOMAIN,
            "media_certificate_arn": self.certificate_arn(),
            "cognito_domain_prefix": f"nexus-smoke-{self.run_id}",
            "password_auth": "true",
            "tasks_min": "2",
            "tasks_max": "3",
            "max_call_s": "600",
            "keep_data": "false",
            "waf": "false",  # its part for CloudFront would need a second region
            **({"warm_pool": "1"} if self.gpu else {}),
        }
        said = [f"{name}={value}" for name, value in own.items() if value]
        return " ".join(f"-c {one}" for one in [*said, *self.more])

    def certificate_arn(self) -> str:
        """A certificate for an hour that only this run trusts."""
        if not self.outputs.get("CertificateArn"):
            key = ec.generate_private_key(ec.SECP256R1())
            self.certificate = own_certificate(key)
            pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            acm = self.client("acm")
            arn = acm.import_certificate(Certificate=self.certificate, PrivateKey=pem)["CertificateArn"]
            self.undo.later("certificate", lambda: acm.delete_certificate(CertificateArn=arn))
            self.outputs["CertificateArn"] = arn
        return self.outputs["CertificateArn"]

    def _remove(self, told: str) -> None:
        """Logs still come while stacks go, so buckets are emptied anew when one stood in the way."""
        for last in (False, False, True):
            self._free_hosts()
            self._empty_buckets()
            try:
                _do(*_MAKE, "destroy", f"ARGS=--force {told}")
            except NotShown:
                if last:
                    raise
            else:
                return

    def _free_hosts(self) -> None:
        """ECS protects its hosts; CloudFormation would wait for them."""
        scaling = self.client("autoscaling")
        for group in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]:
            if not group["AutoScalingGroupName"].startswith(f"Nexus-{STAGE}-Media-"):
                continue
            name, hosts = group["AutoScalingGroupName"], [one["InstanceId"] for one in group["Instances"]]
            if hosts:
                scaling.set_instance_protection(AutoScalingGroupName=name, InstanceIds=hosts[:50], ProtectedFromScaleIn=False)

    def _empty_buckets(self) -> None:
        """CloudFormation removes empty buckets only."""
        s3, stacks = boto3.resource("s3", region_name=self.region), self.client("cloudformation")
        for page in stacks.get_paginator("list_stacks").paginate(
            StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE", "ROLLBACK_COMPLETE"]
        ):
            for stack in page["StackSummaries"]:
                if not stack["StackName"].startswith(f"Nexus-{STAGE}-"):
                    continue
                for resource in stacks.list_stack_resources(StackName=stack["StackName"])["StackResourceSummaries"]:
                    if resource["ResourceType"] == "AWS::S3::Bucket":
                        s3.Bucket(resource["PhysicalResourceId"]).object_versions.delete()

    # --- our API ---

    def api(self) -> httpx.Client:
        """Signed in as an operator."""
        if not self.token:
            self.token = self._sign_in()
        return httpx.Client(base_url=self.out("ApiUrl"), headers={"Authorization": f"Bearer {self.token}"}, timeout=30, trust_env=False)

    def _sign_in(self) -> str:
        people, name, word = self.client("cognito-idp"), f"smoke-{self.run_id}@example.com", f"Aa1!{secrets.token_urlsafe(24)}"
        pool = self.out("UserPoolId")
        people.admin_create_user(
            UserPoolId=pool, Username=name, MessageAction="SUPPRESS", UserAttributes=[{"Name": "email", "Value": name}]
        )
        people.admin_set_user_password(UserPoolId=pool, Username=name, Password=word, Permanent=True)
        people.admin_add_user_to_group(UserPoolId=pool, Username=name, GroupName="platform_admin")
        answer = people.initiate_auth(
            ClientId=self.out("UserPoolClientId"), AuthFlow="USER_PASSWORD_AUTH", AuthParameters={"USERNAME": name, "PASSWORD": word}
        )
        return str(answer["AuthenticationResult"]["IdToken"])

    def tenant(self) -> None:
        """One with a published configuration."""
        with self.api() as api:
            if api.get(f"/v1/tenants/{TENANT}").status_code == 200:
                return
            shop = {"id": TENANT, "name": "Smoke Shop", "timezone": "UTC", "language": "en-US"}
            for method, path, body in (
                ("POST", "/v1/tenants", shop),
                ("PUT", f"/v1/tenants/{TENANT}/config/draft", {"system_prompt": "Be brief.", "greeting": "Hello!"}),
                ("POST", f"/v1/tenants/{TENANT}/config:publish", {}),
            ):
                api.request(method, path, json=body).raise_for_status()

    def order(self) -> Mapping[str, Any]:
        """A call that waits for its caller. Raises NotShown: none is to be had."""
        self.tenant()
        with self.api() as api:
            answer = api.post(f"/v1/tenants/{TENANT}/calls", json={}, headers={"Idempotency-Key": secrets.token_hex(8)})
        if answer.status_code != 201:
            raise NotShown(f"POST /calls: {answer.status_code} {answer.text[:200]}")
        self.tickets.append(answer.json()["websocket"]["ticket"])
        return dict(answer.json())

    # --- small things ---

    def out(self, name: str) -> str:
        """An output of the stacks. Raises NotTried."""
        if name not in self.outputs:
            raise NotTried(f"no output {name}: the stacks do not stand")
        return self.outputs[name]

    def needs_media(self) -> None:
        """Raises NotTried."""
        if not self.media_image:
            raise NotTried("--media-image names no image; build and push one (docs/gpu-images.md)")

    def needs_gpu(self) -> None:
        """Raises NotTried."""
        self.needs_media()
        if not self.gpu:
            raise NotTried("--gpu was not said: no GPU host is rented")


def until(met: Callable[[], Any], what: str, within_s: float, every_s: float = 5.0) -> Any:
    """Ask again and again. Raises NotShown."""
    ends_at = time.monotonic() + within_s
    while not (value := met()):
        if time.monotonic() > ends_at:
            raise NotShown(f"{what}: not within {within_s:g} s")
        time.sleep(every_s)
    return value


def own_certificate(key: ec.EllipticCurvePrivateKey) -> bytes:
    """For ``DOMAIN``, for a day, signed by itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(DOMAIN)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def _do(*command: str) -> None:
    """Raises NotShown with the last lines of what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotShown(f"{' '.join(command[:4])}: {(done.stderr or done.stdout)[-600:]}")
