"""The console and the API under one name: CloudFront before a private bucket and before API Gateway."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from aws_cdk import Annotations, AssetHashType, CfnOutput, CustomResource, Duration, Fn, RemovalPolicy, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.constructs.function import FunctionSpec, NexusFunction
from infra.environments import of_console_function
from infra.nag import LOGS_OF_LOGS, Reason, acknowledge, arn_as_told
from infra.settings import SettingsError, StageSettings
from infra.stacks.control import NexusControl
from infra.stacks.data import NexusData

FILES = Path(__file__).parents[2] / "control_plane" / "console"
API_PATHS = ("/v1/*", "/health/*", "/health")
"""Whatever else is asked for is the console's."""
CONTENT_POLICY = (
    "default-src 'self'; connect-src 'self' {others}; img-src 'self' data:; media-src 'self' blob: {recordings}; "
    "base-uri 'none'; object-src 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What our API says of itself (``control_plane.api.border``), with the places where sockets open, people sign in and recordings lie."""
_YEAR = Duration.days(365)


def check_console(settings: StageSettings) -> None:
    """Raises SettingsError: a name without its certificate, or the other way round."""
    if bool(settings.console_domain) != bool(settings.console_certificate_arn):
        raise SettingsError("console_domain and console_certificate_arn: one needs the other; the certificate is one of us-east-1")
    region = settings.console_certificate_arn.split(":")[3:4]
    if region not in ([], ["us-east-1"]):
        raise SettingsError(f"console_certificate_arn: CloudFront takes certificates of us-east-1 only, and this one is of {region[0]}")


class NexusConsole(Stack):
    """Attributes: ``distribution``, ``url``, ``bucket``.

    Args:
        public_url: where callers' sockets open.
        web_acl_arn: the firewall before it; empty: none.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: StageSettings,
        data: NexusData,
        control: NexusControl,
        public_url: str,
        web_acl_arn: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, **kwargs)
        check_console(settings)
        self._settings = settings
        self.logs = self._logs()
        self.bucket = self._bucket()
        self._control = control
        self._archive = data.bucket.bucket_name
        self._sign_in = data.sign_in_origins
        self.distribution = self._distribution(public_url, web_acl_arn)
        self.url = f"https://{settings.console_domain or self.distribution.distribution_domain_name}"
        self._publish()
        if settings.console_domain and settings.hosted_zone_id and settings.hosted_zone_name:
            self._name()
        if not settings.console_domain and not settings.allowed_origins:
            Annotations.of(self).add_warning_v2(
                "nexus:console-origin",
                "No console_domain: CloudFront chooses the console's name. Once it is deployed, say -c allowed_origins=<ConsoleUrl> and "
                "deploy again; until then the console reads and cannot order calls.",
            )
        CfnOutput(self, "ConsoleUrl", value=self.url)
        CfnOutput(self, "DistributionId", value=self.distribution.distribution_id)

    # --- the files ---------------------------------------------------------------------------------------------------------------

    def _logs(self) -> s3.Bucket:
        """CloudFront writes its logs by an ACL, so this bucket alone knows ACLs."""
        bucket = s3.Bucket(
            self,
            "EdgeLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_PREFERRED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            lifecycle_rules=[s3.LifecycleRule(id="old-logs", expiration=Duration.days(self._settings.log_retention_days))],
            removal_policy=RemovalPolicy.RETAIN if self._settings.keep_data else RemovalPolicy.DESTROY,
        )
        acknowledge(bucket, LOGS_OF_LOGS)
        return bucket

    def _bucket(self) -> s3.Bucket:
        """What lies here is in the repository too: it goes with the stack. CloudFront reads it by its own right."""
        bucket = s3.Bucket(
            self,
            "Files",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            lifecycle_rules=[s3.LifecycleRule(id="torn-uploads", abort_incomplete_multipart_upload_after=Duration.days(1))],
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(bucket, Reason("AwsSolutions-S1", "Only CloudFront reads here, and keeps a log of every request itself."))
        return bucket

    def _publish(self) -> None:
        """A function of ours puts the files there: CDK's own may write to more, and runs a command line of Python 2's age."""
        files = lambda_.LayerVersion(
            self,
            "ConsoleFiles",
            code=lambda_.Code.from_asset(str(FILES), asset_hash=digest(FILES), asset_hash_type=AssetHashType.CUSTOM),
            description="Nexus: the console's files",
        )
        objects = iam.PolicyStatement(actions=["s3:PutObject", "s3:DeleteObject"], resources=[self.bucket.arn_for_objects("*")])
        spec = FunctionSpec(
            module="console_files",
            environment=of_console_function(self.bucket.bucket_name),
            may=(objects, iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn])),
            timeout_s=120,
        )
        made = NexusFunction(self, "PutFiles", settings=self._settings, spec=spec)
        made.function.add_layers(files)
        why = "The console's files are all objects of this bucket, which holds nothing else."
        acknowledge(made, Reason(f"AwsSolutions-IAM5[Resource::{arn_as_told(self, self.bucket)}/*]", why))
        put = CustomResource(
            self,
            "FilesPut",
            resource_type="Custom::NexusConsoleFiles",
            service_token=made.function.function_arn,
            properties={"Files": digest(FILES)},
        )
        put.node.add_dependency(made)

    # --- the door ----------------------------------------------------------------------------------------------------------------

    def _distribution(self, public_url: str, web_acl_arn: str) -> cloudfront.Distribution:
        told = self._settings
        api = cloudfront.BehaviorOptions(
            origin=self._api(),
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
            allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
            cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
            # Everything, Authorization too; but API Gateway knows itself by its own host name only.
            origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
            compress=True,
        )
        made = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"{told.name}: console and API",
            default_behavior=cloudfront.BehaviorOptions(
                origin=origins.S3BucketOrigin.with_origin_access_control(self.bucket),
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
                response_headers_policy=self._headers(public_url),
                compress=True,
            ),
            additional_behaviors=dict.fromkeys(API_PATHS, api),
            default_root_object="index.html",
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021 if told.console_domain else None,
            ssl_support_method=cloudfront.SSLMethod.SNI if told.console_domain else None,
            price_class=cloudfront.PriceClass.PRICE_CLASS_100,
            domain_names=[told.console_domain] if told.console_domain else None,
            certificate=self._certificate(),
            enable_logging=True,
            log_bucket=self.logs,
            log_file_prefix="console/",
            log_includes_cookies=False,
            web_acl_id=web_acl_arn or None,
        )
        self._explain(made, web_acl_arn)
        return made

    def _explain(self, made: cloudfront.Distribution, web_acl_arn: str) -> None:
        reasons = [Reason("AwsSolutions-CFR1", "Whom the console serves, and from where, is the tenants' affair.")]
        if not self._settings.console_domain:
            reasons.append(Reason("AwsSolutions-CFR4", "CloudFront's own name comes with CloudFront's own certificate and its TLS."))
        if not web_acl_arn:
            reasons.append(Reason("AwsSolutions-CFR2", "The firewall was switched off by a setting (waf)."))
        acknowledge(made, *reasons)

    def _api(self) -> origins.HttpOrigin:
        # made of its parts: linters do not know yet that the output of another stack is text
        return origins.HttpOrigin(
            f"{self._control.api.api_id}.execute-api.{self.region}.{self.url_suffix}",
            protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
            origin_ssl_protocols=[cloudfront.OriginSslPolicy.TLS_V1_2],
            read_timeout=Duration.seconds(35),
        )

    def _certificate(self) -> acm.ICertificate | None:
        given = self._settings.console_certificate_arn
        return acm.Certificate.from_certificate_arn(self, "Certificate", given) if given else None

    def _headers(self, public_url: str) -> cloudfront.ResponseHeadersPolicy:
        """The console's pages only: what the API answers has headers of its own."""
        others = " ".join((Fn.join("", ["wss://", Fn.select(2, Fn.split("/", public_url))]), *self._sign_in))
        recordings = f"https://{self._archive}.s3.{self.region}.amazonaws.com https://{self._archive}.s3.amazonaws.com"
        own = cloudfront.ResponseCustomHeader(header="Cross-Origin-Resource-Policy", value="same-origin", override=True)
        opener = cloudfront.ResponseCustomHeader(header="Cross-Origin-Opener-Policy", value="same-origin", override=True)
        microphone = cloudfront.ResponseCustomHeader(header="Permissions-Policy", value="microphone=(self), camera=()", override=True)
        return cloudfront.ResponseHeadersPolicy(
            self,
            "Headers",
            comment=f"{self._settings.name}: the console's pages",
            custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(custom_headers=[own, opener, microphone]),
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy=CONTENT_POLICY.format(others=others, recordings=recordings), override=True
                ),
                content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
                frame_options=cloudfront.ResponseHeadersFrameOptions(frame_option=cloudfront.HeadersFrameOption.DENY, override=True),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER, override=True
                ),
                strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                    access_control_max_age=_YEAR, include_subdomains=False, override=True
                ),
            ),
        )

    def _name(self) -> None:
        told = self._settings
        zone = route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=told.hosted_zone_id, zone_name=told.hosted_zone_name
        )
        target = route53.RecordTarget.from_alias(targets.CloudFrontTarget(self.distribution))
        for kind in (route53.ARecord, route53.AaaaRecord):
            kind(self, kind.__name__, zone=zone, record_name=f"{told.console_domain}.", target=target)


def digest(folder: Path) -> str:
    """Of names and contents: what changes makes the files be put again."""
    told = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            told.update(f"\0{path.relative_to(folder)}\0".encode())
            told.update(path.read_bytes())
    return told.hexdigest()
