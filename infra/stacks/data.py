"""What is kept: table, archive, keys, secrets, people."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, CustomResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra import environments
from infra.constructs.function import FunctionSpec, NexusFunction
from infra.constructs.rights import INDEX, READ_ITEMS, WRITE_ITEMS, Rights
from infra.nag import NO_PLUS_PLAN, OBJECTS_OF_A_KIND, SECOND_FACTOR_IS_A_SETTING, TURNED_BY_HAND, Reason, acknowledge, arn_as_told
from infra.settings import StageSettings

ROLES = ("platform_admin", "tenant_admin", "tenant_viewer", "analyst")
"""Groups of people, named as the control plane names its roles."""
AT_HOME = "http://localhost:8000/"
"""Where people come back to from the sign-in page of a stage dev whose console has no name: ``nexus run`` with that pool as its issuer."""
BACKSTOP_DAYS = 731
"""What must not outlive its retention goes at the latest after so long."""


class NexusData(Stack):
    """Attributes: ``key``, ``table``, ``bucket``, ``logs`` (access logs), ``keys_secret`` (every key), ``media_secret``,
    ``authorizer_secret`` and ``reader_secret`` (a share each), ``people``, ``client``, ``issuer``, ``issuer_keys_url``,
    ``sign_in_origins``, ``api_role``, ``tenant_role``."""

    def __init__(self, scope: Construct, id: str, *, settings: StageSettings, **kwargs: Any) -> None:
        super().__init__(scope, id, **kwargs)
        self.settings = settings
        self.removal = RemovalPolicy.RETAIN if settings.keep_data else RemovalPolicy.DESTROY
        self.key = self._key()
        self.table = self._table()
        self.logs = self._logs()
        self.bucket = self._bucket()
        self.rights = Rights(self.table.table_arn, self.bucket.bucket_arn, self.key, self.region, evaluates_keys=not settings.local)
        self.keys_secret = self._secret("Keys", "what the control plane signs, hashes and seals with")
        self.media_secret = self._secret("MediaKeys", "what the media plane needs of that: no private key")
        self.authorizer_secret = self._secret("AuthorizerKeys", "what API keys are hashed with")
        self.reader_secret = self._secret("ReaderKeys", "the key of the model that reads finished calls")
        self._keys_function()
        self.people = self._people()
        self.client = self._client()
        self.issuer = f"https://cognito-idp.{self.region}.amazonaws.com/{self.people.user_pool_id}"
        host = settings.issuer_keys_host
        self.issuer_keys_url = f"{host}/{self.people.user_pool_id}/.well-known/jwks.json" if host else ""
        prefix = settings.cognito_domain_prefix
        page = f"https://{prefix}.auth.{self.region}.amazoncognito.com"
        self.sign_in_origins = (f"https://cognito-idp.{self.region}.amazonaws.com", page) if settings.signs_in else ()
        """Where the console asks while a person signs in: the pool's description, and the page's domain for tokens."""
        self.api_role = self._api_role()
        self.tenant_role = self._tenant_role()
        self._outputs()

    def _key(self) -> kms.IKey:
        if self.settings.kms_key_arn:
            return kms.Key.from_key_arn(self, "Key", self.settings.kms_key_arn)
        return kms.Key(
            self,
            "Key",
            alias=f"alias/{self.settings.name}",
            description=f"Nexus {self.settings.stage}: everything that is kept",
            enable_key_rotation=True,
            removal_policy=self.removal,
        )

    def _table(self) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            "Table",
            partition_key=_text("pk"),
            sort_key=_text("sk"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=self.key,
            time_to_live_attribute="expires_s",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True, recovery_period_in_days=self.settings.recovery_days
            ),
            deletion_protection=self.settings.keep_data,
            removal_policy=self.removal,
        )
        table.add_global_secondary_index(
            index_name=INDEX, partition_key=_text("ipk"), sort_key=_text("isk"), projection_type=dynamodb.ProjectionType.ALL
        )
        return table

    def _logs(self) -> s3.Bucket:
        """Access logs of the bucket and of the load balancer, which can write to no key of ours."""
        return s3.Bucket(
            self,
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=not self.settings.local,
            minimum_tls_version=None if self.settings.local else 1.2,
            lifecycle_rules=[s3.LifecycleRule(id="old-logs", expiration=Duration.days(self.settings.log_retention_days))],
            removal_policy=self.removal,
        )

    def _bucket(self) -> s3.Bucket:
        kept_days = self.settings.deleted_objects_days
        rules = [
            s3.LifecycleRule(id="private-transcripts-backstop", prefix="private/", expiration=Duration.days(BACKSTOP_DAYS)),
            s3.LifecycleRule(id="expiry-marks-backstop", prefix="expiry/", expiration=Duration.days(BACKSTOP_DAYS)),
            s3.LifecycleRule(id="analytics-errors-backstop", prefix="lake/errors/", expiration=Duration.days(30)),
            s3.LifecycleRule(id="torn-uploads", abort_incomplete_multipart_upload_after=Duration.days(1)),
        ]
        if kept_days:
            gone = s3.LifecycleRule(
                id="deleted-objects", noncurrent_version_expiration=Duration.days(kept_days), expired_object_delete_marker=True
            )
            rules.append(gone)
        bucket = s3.Bucket(
            self,
            "Archive",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=not self.settings.local,
            minimum_tls_version=None if self.settings.local else 1.2,
            versioned=bool(kept_days),
            lifecycle_rules=rules,
            server_access_logs_bucket=self.logs,
            server_access_logs_prefix="archive/",
            removal_policy=self.removal,
        )
        # CDK's own switch for this deploys a function that may change every bucket.
        bare = bucket.node.default_child
        assert isinstance(bare, s3.CfnBucket)  # noqa: S101
        bare.add_property_override("NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True)
        return bucket

    def _secret(self, id: str, what: str) -> secretsmanager.ISecret:
        """Empty: what it holds is made once, by the keys function. CloudFormation never knows it."""
        bare = secretsmanager.CfnSecret(self, id, description=f"Nexus {self.settings.stage}: {what}", kms_key_id=self.key.key_arn)
        bare.apply_removal_policy(self.removal)
        acknowledge(bare, TURNED_BY_HAND)
        return secretsmanager.Secret.from_secret_attributes(self, f"{id}Secret", secret_complete_arn=bare.attr_id, encryption_key=self.key)

    def _keys_function(self) -> None:
        """Fills the secrets when they are made, and turns keys when an operator asks for it."""
        shares = {"media": self.media_secret, "authorizer": self.authorizer_secret, "reader": self.reader_secret}
        told = environments.of_keys_function(self.keys_secret.secret_arn, {name: one.secret_arn for name, one in shares.items()})
        spec = FunctionSpec(
            module="keys",
            environment=told,
            may=(
                iam.PolicyStatement(actions=["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"], resources=[*told.values()]),
                self.rights.encrypted("secretsmanager", writes=True),
            ),
        )
        made = NexusFunction(self, "MakeKeys", settings=self.settings, spec=spec)
        CustomResource(
            self,
            "KeysMade",
            resource_type="Custom::NexusKeys",
            service_token=made.function.function_arn,
            properties={"Shares": sorted(shares)},  # one more reader: the function is asked again
        )

    def _people(self) -> cognito.UserPool:
        factors = {"off": cognito.Mfa.OFF, "optional": cognito.Mfa.OPTIONAL, "required": cognito.Mfa.REQUIRED}
        pool = cognito.UserPool(
            self,
            "People",
            user_pool_name=self.settings.name,
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            auto_verify=cognito.AutoVerifiedAttrs(email=True),
            custom_attributes={"tenant_id": cognito.StringAttribute(min_len=0, max_len=64, mutable=False)},
            password_policy=cognito.PasswordPolicy(
                min_length=12, require_digits=True, require_lowercase=True, require_symbols=True, require_uppercase=True
            ),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            mfa=factors[self.settings.mfa],
            mfa_second_factor=None if self.settings.mfa == "off" else cognito.MfaSecondFactor(otp=True, sms=False),
            feature_plan=cognito.FeaturePlan.ESSENTIALS,
            deletion_protection=self.settings.keep_data,
            removal_policy=self.removal,
        )
        acknowledge(pool, NO_PLUS_PLAN, *([] if self.settings.mfa == "required" else [SECOND_FACTOR_IS_A_SETTING]))
        for role in ROLES:
            cognito.CfnUserPoolGroup(self, f"Group-{role}", user_pool_id=pool.user_pool_id, group_name=role)
        if self.settings.cognito_domain_prefix:
            pool.add_domain("SignIn", cognito_domain=cognito.CognitoDomainOptions(domain_prefix=self.settings.cognito_domain_prefix))
        return pool

    def _client(self) -> cognito.UserPoolClient:
        """A person's own browser: it has no secret, reads its tenant, and cannot write it."""
        standard = cognito.ClientAttributes().with_standard_attributes(email=True)
        return self.people.add_client(
            "Console",
            auth_flows=cognito.AuthFlow(user_srp=True, user_password=self.settings.password_auth),
            disable_o_auth=not self.settings.cognito_domain_prefix,
            o_auth=self._sign_in_page(),
            generate_secret=False,
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            access_token_validity=Duration.hours(1),
            id_token_validity=Duration.hours(1),
            refresh_token_validity=Duration.days(1),
            read_attributes=standard.with_custom_attributes("tenant_id"),
            write_attributes=standard,
        )

    def _sign_in_page(self) -> cognito.OAuthSettings | None:
        """By code, back to the console alone: CDK's own default sends tokens to an address that is not ours.

        ``openid`` alone: then the ID token holds every attribute that the client may read. With other scopes beside it, it holds only
        theirs, and a person's tenant (``custom:tenant_id``) is in none.
        """
        if not self.settings.cognito_domain_prefix:
            return None
        back = [f"https://{self.settings.console_domain}/" if self.settings.console_domain else AT_HOME]
        return cognito.OAuthSettings(
            flows=cognito.OAuthFlows(authorization_code_grant=True),
            scopes=[cognito.OAuthScope.OPENID],
            callback_urls=back,
            logout_urls=back,
        )

    def _api_role(self) -> iam.Role:
        """The API's own. It is made here, so that the tenant access role can name it; what it may do is said where its function is."""
        return iam.Role(
            self, "ApiRole", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), description="Nexus: the role of the API's function"
        )

    def _tenant_role(self) -> iam.Role:
        """What the API's function, and nobody else, becomes for one tenant; the session policy that it gives narrows it to that tenant."""
        role = iam.Role(
            self,
            "TenantAccess",
            assumed_by=iam.ArnPrincipal(self.api_role.role_arn),
            description="Nexus: one tenant's items and objects, narrowed by a session policy",
            max_session_duration=Duration.hours(1),
        )
        may = self.rights
        kinds = ("sessions/tenant_id=", "private/tenant_id=", "media/tenant_id=")
        for statement in (
            may.items(*READ_ITEMS, *WRITE_ITEMS, "BatchWriteItem", leading=("TENANT#*",), index=True),
            may.objects("DeleteObject", "GetObject", "PutObject", prefixes=kinds),
            may.names(),
            may.encrypted("dynamodb", "s3", writes=True),
            may.seals("GenerateDataKey", "Decrypt"),
        ):
            role.add_to_policy(statement)
        here = arn_as_told(self, self.bucket)
        acknowledge(role, *(Reason(f"AwsSolutions-IAM5[Resource::{here}/{kind}*]", OBJECTS_OF_A_KIND) for kind in kinds))
        return role

    def _outputs(self) -> None:
        told = {
            "TableName": self.table.table_name,
            "BucketName": self.bucket.bucket_name,
            "KeysSecretArn": self.keys_secret.secret_arn,
            "MediaSecretArn": self.media_secret.secret_arn,
            "UserPoolId": self.people.user_pool_id,
            "UserPoolClientId": self.client.user_pool_client_id,
            "KeyArn": self.key.key_arn,
            "TenantAccessRoleArn": self.tenant_role.role_arn,
        }
        for name, value in told.items():
            CfnOutput(self, name, value=value)


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
