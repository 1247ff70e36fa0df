"""Where Athena is named: the only local command that asks AWS by itself."""

from __future__ import annotations

from dataclasses import dataclass

from local.query.answer import Answer
from nexus.clock import Clock
from nexus.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Workgroup:
    """Where a question goes. ``endpoint_url`` empty: AWS, or as the environment says."""

    name: str
    database: str
    region: str = ""
    endpoint_url: str = ""


async def ask_athena(text: str, at: Workgroup) -> Answer:
    """Ask with the credentials of the environment. Raises ConfigurationError where boto3 is not installed."""
    try:
        from nexus.adapters.aws.athena import Athena, AthenaPlace
        from nexus.adapters.aws.connection import AwsPlace, Connection
    except ModuleNotFoundError as error:
        raise ConfigurationError("missing_package", "--athena needs boto3: pip install boto3.") from error
    connection = Connection(AwsPlace(table="", bucket="", region=at.region, endpoint_url=at.endpoint_url, workers=1))
    try:
        found = await Athena(connection, AthenaPlace(at.name, at.database), Clock()).ask(text)
    finally:
        connection.close()
    return Answer(found.columns, found.rows, f"{found.scanned_bytes:,} bytes read by {at.name} in {found.took_ms / 1000:.1f} s")
