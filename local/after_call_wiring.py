"""Where SQS is named for ``nexus after-call dead-letters``."""

from __future__ import annotations

from nexus.errors import ConfigurationError


async def redrive_dead_letters(dead_letters: str, queue: str, endpoint_url: str = "") -> int:
    """Have messages moved back to their queue, with the credentials of the environment; about how many.

    Raises:
        ConfigurationError: ``missing_package``: boto3 is not installed.
        Unavailable: SQS cannot be reached or refuses us.
    """
    try:
        from nexus.adapters.aws.connection import AwsPlace, Connection
        from nexus.adapters.aws.dead_letters import DeadLetters
    except ModuleNotFoundError as error:
        raise ConfigurationError("missing_package", "dead-letters needs boto3: pip install 'nexus-voice-engine[aws]'.") from error
    connection = Connection(AwsPlace(table="", bucket="", endpoint_url=endpoint_url, workers=1))
    try:
        return await DeadLetters(connection, dead_letters, queue).redrive()
    finally:
        connection.close()
