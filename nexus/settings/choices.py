"""The words that a setting may have."""

from __future__ import annotations

from enum import StrEnum

ECS = "ecs"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class EngineName(StrEnum):
    CASCADE = "cascade"
    PERSONAPLEX = "personaplex"
    PCM_SIDECAR = "pcm_sidecar"
    SCRIPTED = "scripted"


class ChatModelName(StrEnum):
    AUTO = "auto"
    GEMINI = "gemini"
    SCRIPTED = "scripted"


class AuthMode(StrEnum):
    AUTO = "auto"
    REQUIRED = "required"
    OFF = "off"


class StoresName(StrEnum):
    EMBEDDED = "embedded"
    AWS = "aws"


class MetricsName(StrEnum):
    NONE = "none"
    EMF = "emf"


class TracesName(StrEnum):
    AUTO = "auto"
    NONE = "none"
    XRAY = "xray"


class ProtectionName(StrEnum):
    NONE = "none"
    ECS = "ecs"


class LogFormat(StrEnum):
    COLOR = "COLOR"
    JSON = "JSON"


class LogLevel(StrEnum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
