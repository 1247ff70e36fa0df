"""How AWS is asked: blocking clients on a bounded pool of threads, each wait with a deadline, refusals in our words."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader
from botocore.session import Session, get_session

from nexus.domain.outbound import LOOPBACK_NAMES
from nexus.errors import StoreError, Unavailable

Result = TypeVar("Result")

CONNECT_TIMEOUT_S = 1.0
READ_TIMEOUT_S = 4.0
ATTEMPTS = 3
DEADLINE_S = 10.0

_MAKING_CLIENTS = threading.RLock()
"""botocore makes clients in one thread at a time."""
_SERVICES: Loader = create_loader()
"""What botocore knows of services, read once."""

_OUR_FAULT = ("ValidationException", "InvalidRequest", "InvalidArgument", "SerializationException", "EntityTooLarge")
NO_RIGHT = ("AccessDenied", "AccessDeniedException", "UnrecognizedClientException", "ExpiredToken", "ExpiredTokenException", "403")
_MISSING = ("ResourceNotFoundException", "NoSuchBucket")


@dataclass(frozen=True, slots=True)
class AwsPlace:
    """Where the stores are.

    ``region`` and ``endpoint_url`` empty: as the environment says. ``fleet`` names the set of media processes that share calls.
    ``workers`` is how many requests are under way at once; more wait in line, in the order in which they came, none longer than
    ``deadline_s``, their retries included.
    """

    table: str
    bucket: str
    region: str = ""
    endpoint_url: str = ""
    fleet: str = "main"
    workers: int = 16
    deadline_s: float = DEADLINE_S


class Connection:
    """Runs requests for one place.

    Clients are botocore's: boto3 adds what we do not use (resources, transfers in parts), and a tenth of a function's cold start.

    Args:
        place: where the stores are.
        credentials: a provider of botocore's that gives what to sign with; None: as the environment says.
    """

    def __init__(self, place: AwsPlace, credentials: Any = None) -> None:
        self.place = place
        self._credentials = credentials
        self._pool = ThreadPoolExecutor(place.workers, thread_name_prefix="aws")
        self._session: Session | None = None
        self._clients: dict[str, Any] = {}

    def client(self, service: str, **more: Any) -> Any:
        """The client of a service, made when it is first asked for. ``more`` goes into its ``Config``."""
        made = self._clients.get(service)
        if made is not None:
            return made
        with _MAKING_CLIENTS:
            if self._session is None:
                self._session = get_session()
                self._session.register_component("data_loader", _SERVICES)
                if self._credentials is not None:
                    self._session.get_component("credential_provider").providers.insert(0, self._credentials)
            return self._clients.setdefault(service, self._session.create_client(service, **self._options(**more)))

    def on_this_machine(self, service: str) -> bool:
        """Whether a service answers on loopback: then it is an emulator, and nothing here is a real account's."""
        return urlsplit(self.client(service).meta.endpoint_url).hostname in LOOPBACK_NAMES

    def _options(self, **more: Any) -> dict[str, Any]:
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=self.place.workers,
            **more,
        )
        return {"region_name": self.place.region or None, "endpoint_url": self.place.endpoint_url or None, "config": config}

    async def send(self, request: Callable[[], Result]) -> Result:
        """Run a blocking request in a thread.

        Cancelled or too late, the request itself goes on in its thread: its effect may still happen.

        Raises:
            Unavailable: the place cannot be reached, refuses us, or took longer than the deadline.
            StoreError: the place finds the request itself wrong.
        """
        context = contextvars.copy_context()
        try:
            async with asyncio.timeout(self.place.deadline_s):
                return await asyncio.get_running_loop().run_in_executor(self._pool, context.run, request)
        except (ClientError, BotoCoreError) as error:
            raise translated(error, self.place) from error
        except TimeoutError as error:
            told = f"{self._named()} did not answer within {self.place.deadline_s:g} s; try again."
            raise Unavailable("store_unavailable", told) from error

    def close(self) -> None:
        """Take no more requests; those under way end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _named(self) -> str:
        return f"The store (table {self.place.table}, bucket {self.place.bucket})"


def code_of(error: ClientError) -> str:
    """AWS's own word for a refusal."""
    return str(error.response.get("Error", {}).get("Code", ""))


def translated(error: ClientError | BotoCoreError, place: AwsPlace) -> StoreError:
    """AWS's refusal as one of ours. Messages of AWS are not shown: they name accounts and roles."""
    named = f"table {place.table}, bucket {place.bucket}"
    if isinstance(error, BotoCoreError):
        return Unavailable("store_unavailable", f"AWS cannot be reached ({type(error).__name__}; {named}): check network, region and role.")
    code = code_of(error)
    if code in NO_RIGHT:
        return Unavailable("store_unavailable", f"AWS refuses this role ({code}; {named}): give it the rights that docs/dynamodb.md lists.")
    if code in _MISSING:
        return Unavailable("store_unavailable", f"AWS has no such place ({code}; {named}): deploy the stack, or correct the names.")
    if code in _OUR_FAULT:
        return StoreError(
            "store_unavailable", f"AWS finds a request of ours wrong ({code}; {named}); this is a defect, or a value is too large."
        )
    return Unavailable("store_unavailable", f"AWS could not do it just now ({code}; {named}); try again.")
