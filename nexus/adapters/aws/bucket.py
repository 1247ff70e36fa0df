"""The one bucket of S3: objects written once, read, listed and deleted."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from nexus.adapters.aws.connection import Connection, code_of
from nexus.errors import Unavailable

_ABSENT = ("NoSuchKey", "404", "NotFound")
_WRITTEN_ALREADY = ("PreconditionFailed", "412")
_BATCH = 1000
_TRIES = 3


class Bucket:
    """Its client is made when first used, in a thread: not every function of the control plane opens the archive."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._name = connection.place.bucket

    async def put_new(self, name: str, data: bytes | Path, *, content_type: str, metadata: Mapping[str, str] | None = None) -> bool:
        """Write an object where none is; False where one was (it stays as it is). ``data``: bytes, or the file to read them from."""

        def request() -> bool | None:
            try:
                with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as body:
                    self._client().put_object(
                        Bucket=self._name, Key=name, Body=body, IfNoneMatch="*", ContentType=content_type, Metadata=metadata or {}
                    )
            except ClientError as error:
                if code_of(error) in _WRITTEN_ALREADY:
                    return False
                if code_of(error) == "ConditionalRequestConflict":
                    return None  # somebody writes it in this moment
                raise
            return True

        for _ in range(_TRIES):
            written = await self._connection.send(request)
            if written is not None:
                return written
        raise Unavailable("store_unavailable", f"Bucket {self._name}: others write the same object just now; try again.")

    async def get(self, name: str) -> bytes | None:
        """The object, or None."""

        def request() -> bytes | None:
            try:
                return bytes(self._client().get_object(Bucket=self._name, Key=name)["Body"].read())
            except ClientError as error:
                if code_of(error) in _ABSENT:
                    return None
                raise

        return await self._connection.send(request)

    async def has(self, name: str) -> bool:
        """Whether there is such an object. Its name is asked for, so that who only writes objects need not be able to read one."""
        answer = await self._connection.send(partial(self._list, name, {"MaxKeys": 1}))
        return any(one["Key"] == name for one in answer.get("Contents", ()))

    async def names(self, prefix: str) -> AsyncIterator[str]:
        """Names that begin with ``prefix``, in their order, a thousand a request as they are asked for."""
        more: dict[str, Any] = {}
        while True:
            answer = await self._connection.send(partial(self._list, prefix, more))
            for one in answer.get("Contents", ()):
                yield one["Key"]
            if not answer.get("NextContinuationToken"):
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    async def delete_many(self, names: Sequence[str]) -> None:
        """Delete objects, a thousand a request; silent where one is not.

        Raises:
            Unavailable: some could not be deleted.
        """
        for first in range(0, len(names), _BATCH):
            batch: Any = {"Objects": [{"Key": name} for name in names[first : first + _BATCH]], "Quiet": True}
            left = await self._connection.send(partial(self._delete, batch))
            if left:
                raise Unavailable("store_unavailable", f"Bucket {self._name}: {left} objects could not be deleted; try again.")

    def url(self, name: str, *, lifetime_s: int) -> str:
        """A signed address from which anybody can read the object for so long; made without a request."""
        asked = {"Bucket": self._name, "Key": name}
        return str(self._client().generate_presigned_url("get_object", Params=asked, ExpiresIn=lifetime_s))

    def _list(self, prefix: str, more: dict[str, Any]) -> dict[str, Any]:
        return dict(self._client().list_objects_v2(Bucket=self._name, Prefix=prefix, **more))

    def _delete(self, batch: Any) -> int:
        return len(self._client().delete_objects(Bucket=self._name, Delete=batch).get("Errors", ()))

    def _client(self) -> Any:
        return self._connection.client("s3", signature_version="s3v4", s3={"addressing_style": "auto"})
