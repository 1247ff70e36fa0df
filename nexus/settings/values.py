"""Every setting, as one frozen value."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from nexus.errors import ConfigurationError
from nexus.settings import checks
from nexus.settings.choices import (
    ECS,
    LOOPBACK,
    AuthMode,
    ChatModelName,
    EngineName,
    Environment,
    LogFormat,
    LogLevel,
    MetricsName,
    ProtectionName,
    StoresName,
    TracesName,
)


class Settings(BaseSettings):
    """Every setting. The environment name is the field's name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_file_encoding="utf-8", env_ignore_empty=True)

    environment: Environment = Field(
        Environment.DEVELOPMENT, description="development or production; production closes the development door"
    )
    host: str = Field("127.0.0.1", description="address to listen on; loopback by default")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    public_url: str = Field("", description="http(s) URL under which callers reach this machine; empty: derived from HOST and PORT")
    allowed_origins: Annotated[str, AfterValidator(checks.origins)] = Field(
        "",
        description="comma list of origins (https://www.example.com) whose pages may open calls and use the API, beside this machine's own",
    )
    tenants_dir: Path = Field(Path("tenants"), description="folder of the tenants' folders")
    data_dir: Path = Field(Path("data"), description="folder of everything that is kept: sessions, leads, bookings, journals, keys")
    stores: StoresName = Field(
        StoresName.EMBEDDED,
        description="where state is kept: embedded (files under DATA_DIR) or aws (table and bucket, for `python -m media_plane`)",
    )
    aws_table: str = Field("", description="with STORES=aws: name of the DynamoDB table; region and credentials by AWS's own variables")
    aws_bucket: str = Field("", description="with STORES=aws: name of the S3 bucket")
    aws_fleet: str = Field(
        "main",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$",
        description="with STORES=aws: which media processes share calls; as in the control plane",
    )
    log_level: Annotated[LogLevel, BeforeValidator(checks.upper)] = Field(LogLevel.INFO, description="DEBUG, INFO, WARNING or ERROR")
    log_format: Annotated[LogFormat, BeforeValidator(checks.upper)] = Field(
        LogFormat.COLOR, description="COLOR for people, JSON for machines"
    )

    engine: EngineName = Field(
        EngineName.CASCADE,
        description="voice engine: cascade (speech-to-text, dialogue, text-to-speech), personaplex, pcm_sidecar or scripted (for tests)",
    )
    engine_slots: int = Field(
        3, ge=1, le=500, description="how many calls this machine takes at once; two cores carry two or three with local speech"
    )
    media_relay_url: str = Field(
        "",
        description="ws URL under which other media processes reach this one inside the private network; ecs: by the task's own address; "
        "empty: sockets are not relayed",
    )
    scale_in_protection: ProtectionName = Field(
        ProtectionName.NONE, description="who is asked not to stop this process while calls live in it: ecs (the agent of the task) or none"
    )
    call_cap_s: int = Field(
        7200, ge=5, le=7200, description="longest call of this platform, whatever a tenant's limits.max_duration_s says"
    )
    drain_limit_s: int = Field(
        0,
        ge=0,
        le=7200,
        description="after SIGTERM living calls may go on for so long, then they are told and end; 0: as long as a call may last. "
        "On hosts that are taken away with two minutes' notice: 100",
    )
    metrics: MetricsName = Field(
        MetricsName.NONE, description="where figures go (docs/metrics.md): emf (CloudWatch's embedded metric format on stdout) or none"
    )
    traces: TracesName = Field(
        TracesName.AUTO,
        description="where each call's trace goes after it: auto (to OTEL_EXPORTER_OTLP_ENDPOINT, where that is set), none, or xray (for "
        "the function in AWS that finishes calls)",
    )
    otel_exporter_otlp_endpoint: Annotated[str, AfterValidator(checks.collector)] = Field(
        "", description="base URL of a collector that takes OTLP over HTTP (http://localhost:4318); /v1/traces is added"
    )
    otel_exporter_otlp_headers: Annotated[SecretStr, AfterValidator(checks.headers)] = Field(
        SecretStr(""), description="headers for that collector, such as its key: name=value,name=value, values percent-encoded"
    )
    fair_share_weights: Annotated[str, AfterValidator(checks.weights)] = Field(
        "",
        description="comma list tenant=weight (hotel=3,shop=2): how much of scarce slots a tenant is due beside the others; 1 without",
    )
    engine_connect_timeout_s: float = Field(10.0, gt=0, le=120, description="how long an engine may take to connect")
    engine_connect_attempts: int = Field(3, ge=1, le=20, description="how often connecting is tried before the call goes on as text")
    engine_retry_delay_s: float = Field(2.0, ge=0, le=60, description="wait between two attempts")
    engine_return_interval_s: float = Field(
        5.0, gt=0, le=600, description="how often a lost voice engine is tried again while a call is text only"
    )
    engine_mute_s: float = Field(5.0, gt=0, le=60, description="a connected engine that gives nothing for so long counts as failed")
    speech_threads: int = Field(2, ge=1, le=64, description="processor threads for speech-to-text and text-to-speech")
    stt_model_dir: str = Field("", description="folder of another Whisper model (CTranslate2 form); empty: the installed package's")
    voice_model_path: str = Field(
        "", description="file of another Piper voice (.onnx with .onnx.json beside it); empty: the installed package's"
    )

    chat_model: ChatModelName = Field(
        ChatModelName.AUTO, description="auto (Gemini when GEMINI_API_KEY is set, else scripted), gemini or scripted"
    )
    gemini_api_key: Annotated[SecretStr, AfterValidator(checks.no_placeholder)] = Field(
        SecretStr(""), description="key of the Gemini API; empty: the scripted dialogue answers"
    )
    gemini_model: Annotated[str, AfterValidator(checks.current_model)] = Field(
        checks.CURRENT_GEMINI, description="Gemini model name; retired names become the current one"
    )
    gemini_base_url: str = Field("", description="another address of the Gemini API (a proxy); empty: Google's")
    gemini_ca_file: str = Field("", description="certificate authority of that address")
    gemini_timeout_s: float = Field(20.0, gt=0, le=300, description="longest wait for an answer of Gemini")
    gemini_transport: str = Field("rest", description="kept from the original (rest or grpc); read and ignored: the SDK speaks REST only")

    auth: AuthMode = Field(
        AuthMode.AUTO,
        description="whether the API asks for a credential: required, off (development only), or auto: off in development on loopback",
    )
    oidc_issuer: str = Field("", description="issuer (iss) of people's tokens, an https URL; empty: only API keys are taken")
    oidc_audience: str = Field("", description="audience (aud) that people's tokens are made for; with Cognito the app client's id")
    oidc_jwks_url: str = Field("", description="address of the issuer's signing keys; empty: asked of OIDC_ISSUER")
    oidc_scopes: str = Field(
        "",
        description="scopes with which the console sends people to the issuer's own sign-in page: openid, and what else its token needs to "
        "hold tenant and roles (Cognito: openid alone); empty: the console asks for a key or a token by hand",
    )
    oidc_token_origin: str = Field(
        "",
        description="origin (https://login.example.com) where the console redeems its code, if it is not OIDC_ISSUER's own (Cognito: that "
        "of its sign-in page)",
    )
    oidc_tenant_claim: str = Field("custom:tenant_id", description="claim that names a person's tenant")
    oidc_roles_claim: str = Field(
        "cognito:groups", description="claim that lists a person's roles: platform_admin, tenant_admin, tenant_viewer, analyst"
    )
    nexus_api_key: SecretStr = Field(SecretStr(""), description="API key that the `nexus` command shows to a server that asks for one")
    api_key_pepper_file: str = Field("", description="file of the secret that API keys are hashed with; empty: made under DATA_DIR/keys")
    dev_door: bool = Field(True, description="serve the original's /ws/call/{tenant_id} without tickets; never in production")
    ticket_private_key_file: str = Field("", description="PEM file of the Ed25519 key that signs tickets; empty: made under DATA_DIR/keys")
    ticket_public_keys_dir: str = Field("", description="folder of PEM files whose tickets the media plane takes; empty: DATA_DIR/keys")
    ticket_public_keys: str = Field("", description="the same keys as text, one PEM after the other; wins over the folder")
    call_pepper_file: str = Field(
        "", description="file of the secret that callers' numbers are hashed with; empty: made under DATA_DIR/keys"
    )
    call_pepper: Annotated[SecretStr, AfterValidator(checks.hex_secret)] = Field(
        SecretStr(""), description="the same secret as text: 64 or more hex digits; wins over the file"
    )
    nexus_kms_key: str = Field(
        "", description="with STORES=aws: ARN of the KMS key that seals tenants' secrets, as in the control plane; empty: SEAL_KEY alone"
    )
    seal_key: Annotated[SecretStr, AfterValidator(checks.hex_secret)] = Field(
        SecretStr(""), description="key that opens tenants' sealed secrets, 64 hex digits, in both planes; empty: made under DATA_DIR/keys"
    )

    rate_limit_api_key: int = Field(
        600, ge=0, description="requests a minute that all API keys of a tenant may send together; 0: any number"
    )
    rate_limit_person: int = Field(300, ge=0, description="requests a minute that all people of a tenant may send together; 0: any number")
    rate_limit_publishable_key: int = Field(
        120, ge=0, description="requests a minute that all publishable keys of a tenant may send together; 0: any number"
    )
    recording_spool_dir: str = Field(
        "",
        description="folder of recordings while their calls live, about 5 KB a second and call; empty: DATA_DIR/spool, with STORES=aws "
        "nexus-spool in the system's folder for temporary files",
    )
    connect_limit_tenant: int = Field(
        600, ge=0, description="sockets a minute that one media process opens for a tenant, refused ones included; 0: any number"
    )
    connect_limit_address: int = Field(
        120, ge=0, description="sockets a minute that one media process opens for one address (IPv6: network of 64 bits); 0: any number"
    )
    trusted_proxies: int = Field(
        0, ge=0, le=8, description="how many own proxies stand before the sockets and add to X-Forwarded-For; behind a load balancer: 1"
    )
    audit_retention_days: int = Field(365, ge=1, le=3650, description="how long audit events are kept")

    personaplex_ws_url: str = Field(
        "",
        description="with ENGINE=personaplex: address of each PersonaPlex server process (ws://127.0.0.1:8998/api/chat), comma list; "
        "empty: `nexus run` starts two doubles without a GPU on this machine",
    )
    personaplex_spares: int = Field(
        1, ge=0, le=16, description="how many of those processes are kept free, so that a long call can move to a fresh one"
    )
    personaplex_rotate_after_s: float = Field(
        200.0, ge=5, le=600, description="after so long the call moves to a spare process, in the next silence; the model remembers 240 s"
    )
    personaplex_window_s: float = Field(
        300.0, ge=10, le=3600, description="a session of the model that found no spare process by then gives the call to the next engine"
    )
    personaplex_prompt_bytes: int = Field(
        3000, ge=500, le=6500, description="most bytes of prompt, percent-encoded; the server refuses requests beyond 8 KB"
    )
    personaplex_lag_limit_s: float = Field(
        3.0, gt=0.2, le=60, description="how far the model may fall behind the caller before the next engine takes the call"
    )
    personaplex_connect_timeout: float = Field(
        20.0,
        gt=0,
        le=300,
        description="seconds until a PersonaPlex session must listen, all attempts together (set-up takes 2 to 9 s); then the next engine",
    )
    personaplex_max_reconnect_attempts: int = Field(
        2, ge=1, le=20, description="how often a PersonaPlex session is tried before the next engine takes the call"
    )
    personaplex_reconnect_delay: float = Field(0.5, ge=0, le=60, description="seconds between two of those attempts")
    pcm_sidecar_ws_url: str = Field(
        "ws://localhost:9000/v1/audio-stream", description="with ENGINE=pcm_sidecar: address of a sidecar of your own (docs/pcm-sidecar.md)"
    )
    audio_sample_rate: Annotated[int, AfterValidator(checks.only(16000))] = Field(
        16000, description="kept from the original; the media plane works at 16000 Hz"
    )
    audio_bit_depth: Annotated[int, AfterValidator(checks.only(16))] = Field(16, description="kept from the original; always 16")
    audio_channels: Annotated[int, AfterValidator(checks.only(1))] = Field(1, description="kept from the original; always 1")
    audio_chunk_size: int = Field(4096, description="kept from the original; read and ignored: frames are 20 ms")

    @model_validator(mode="after")
    def _gemini_needs_its_key(self) -> Settings:
        if self.chat_model is ChatModelName.GEMINI and not self.gemini_api_key.get_secret_value():
            raise ValueError("CHAT_MODEL=gemini needs GEMINI_API_KEY; set it, or write CHAT_MODEL=auto")
        return self

    @model_validator(mode="after")
    def _personaplex_processes(self) -> Settings:
        if self.personaplex_rotate_after_s >= self.personaplex_window_s:
            raise ValueError("PERSONAPLEX_ROTATE_AFTER_S must be below PERSONAPLEX_WINDOW_S; a call moves before its window ends")
        if self.engine is EngineName.PERSONAPLEX and self.personaplex_urls:
            checks.processes(self.personaplex_urls, self.personaplex_spares)
        if self.engine is EngineName.PCM_SIDECAR and checks.parts_of(self.pcm_sidecar_ws_url).path == "/api/chat":
            raise ValueError("PCM_SIDECAR_WS_URL: /api/chat is PersonaPlex's own contract: ENGINE=personaplex and PERSONAPLEX_WS_URL")
        return self

    @model_validator(mode="after")
    def _who_may_ask(self) -> Settings:
        if self.auth is AuthMode.OFF and self.environment is Environment.PRODUCTION:
            raise ValueError("AUTH=off is for development; write AUTH=required, or leave it out")
        if self.oidc_issuer and not self.oidc_audience:
            raise ValueError("OIDC_ISSUER needs OIDC_AUDIENCE: a token made for another service must not be taken")
        for url in (self.oidc_issuer, self.oidc_jwks_url):
            checks.issuer_url(url)
        checks.sign_in(self.oidc_issuer, self.oidc_scopes.split(), self.oidc_token_origin)
        return self

    @model_validator(mode="after")
    def _stores_in_aws(self) -> Settings:
        """A key that each task makes for itself would fit no other task's: with AWS every shared key is told."""
        if self.stores is not StoresName.AWS:
            return self
        if checks.TABLE.fullmatch(self.aws_table) is None:
            raise ValueError(f"AWS_TABLE: STORES=aws needs the name of a table, not {self.aws_table!r}")
        if checks.BUCKET.fullmatch(self.aws_bucket) is None:
            raise ValueError(f"AWS_BUCKET: STORES=aws needs the name of a bucket, not {self.aws_bucket!r}")
        if not (self.ticket_public_keys.strip() or self.ticket_public_keys_dir):
            raise ValueError("TICKET_PUBLIC_KEYS: STORES=aws needs the public keys of tickets, as text, or TICKET_PUBLIC_KEYS_DIR")
        if not (self.call_pepper.get_secret_value() or self.call_pepper_file):
            raise ValueError("CALL_PEPPER: STORES=aws needs the one secret of all processes, or CALL_PEPPER_FILE")
        if not self.seal_key.get_secret_value():
            raise ValueError("SEAL_KEY: STORES=aws needs the control plane's key (seal in its secret)")
        return self

    @model_validator(mode="after")
    def _in_ecs(self) -> Settings:
        if self.media_relay_url == ECS and self.port == 0:
            raise ValueError("PORT: MEDIA_RELAY_URL=ecs needs a fixed port, under which other tasks reach this one")
        return self

    @property
    def drain_within_s(self) -> int:
        """How long living calls may go on after SIGTERM."""
        return self.drain_limit_s or self.call_cap_s

    @property
    def spool_dir(self) -> Path:
        """Where recordings lie while their calls live."""
        if self.recording_spool_dir:
            return Path(self.recording_spool_dir)
        return Path(tempfile.gettempdir()) / "nexus-spool" if self.stores is StoresName.AWS else self.data_dir / "spool"

    @property
    def auth_required(self) -> bool:
        """Whether every request to the API needs a credential."""
        if self.auth is not AuthMode.AUTO:
            return self.auth is AuthMode.REQUIRED
        return self.environment is Environment.PRODUCTION or self.host not in LOOPBACK

    @property
    def personaplex_urls(self) -> tuple[str, ...]:
        """``PERSONAPLEX_WS_URL`` as a list."""
        return tuple(part.strip() for part in self.personaplex_ws_url.split(",") if part.strip())

    @property
    def sidecars(self) -> tuple[EngineName, ...]:
        """The sidecar engines that have usable addresses: the platform's own, and those that a tenant may name besides."""
        told = {
            EngineName.PERSONAPLEX: bool(self.personaplex_urls) and checks.are_processes(self.personaplex_urls, self.personaplex_spares),
            EngineName.PCM_SIDECAR: self.engine is EngineName.PCM_SIDECAR or "pcm_sidecar_ws_url" in self.model_fields_set,
        }
        return tuple(name for name, is_told in told.items() if is_told)

    @property
    def exports_otlp(self) -> bool:
        """Whether calls' traces go to a collector."""
        return self.traces is TracesName.AUTO and bool(self.otel_exporter_otlp_endpoint)

    @property
    def uses_gemini(self) -> bool:
        """Whether the dialogue and the lead extraction ask Gemini."""
        return self.chat_model is ChatModelName.GEMINI or (
            self.chat_model is ChatModelName.AUTO and bool(self.gemini_api_key.get_secret_value())
        )

    @property
    def simple_door_open(self) -> bool:
        """Whether the original's door is served."""
        return self.dev_door and self.environment is Environment.DEVELOPMENT

    @property
    def origins(self) -> frozenset[str]:
        """``ALLOWED_ORIGINS`` as a set."""
        return frozenset(part.strip() for part in self.allowed_origins.split(",") if part.strip())

    @property
    def sign_in_origins(self) -> tuple[str, ...]:
        """Where the console asks on its way through the issuer's sign-in page; none where people are not sent there."""
        return (
            tuple(dict.fromkeys(filter(None, (checks.origin_of(self.oidc_issuer), self.oidc_token_origin))))
            if self.oidc_scopes.split()
            else ()
        )

    @property
    def weights(self) -> Mapping[str, int]:
        """``FAIR_SHARE_WEIGHTS`` by tenant."""
        pairs = (part.strip().split("=") for part in self.fair_share_weights.split(",") if part.strip())
        return {tenant_id: int(weight) for tenant_id, weight in pairs}

    @property
    def keys_dir(self) -> Path:
        """Where keys are made when no file is named."""
        return self.data_dir / "keys"


def load_settings(env_file: Path | None = Path(".env"), **overrides: Any) -> Settings:
    """Read the settings; ``overrides`` win over the environment, the environment over the file.

    Raises:
        ConfigurationError: ``setting_invalid``, every fault in ``faults``, each beginning with the variable's name.
    """
    try:
        return Settings(_env_file=env_file, **overrides)
    except ValidationError as error:
        faults = tuple(_fault(one) for one in error.errors(include_url=False, include_input=False))
        raise ConfigurationError("setting_invalid", "Settings are wrong: " + "; ".join(faults), faults=faults) from None


def _fault(error: Any) -> str:
    name = str(error["loc"][0]).upper() if error["loc"] else ""
    words = str(error["msg"]).removeprefix("Value error, ")
    return f"{name}: {words}" if name else words
