"""Deletes what is due: each object that expires has a mark, an empty object whose name says when and sorts by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nexus.adapters.aws.bucket import Bucket
from nexus.adapters.aws.keys import TenantContext
from nexus.errors import RequestRejected

_MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one kind of object.

    Attributes:
        prefix: how their names begin.
        read: whose object of which call a mark means. Raises RequestRejected for a stranger's mark.
        meant: the name of that object.
    """

    prefix: str
    read: Callable[[str], tuple[TenantContext, str]]
    meant: Callable[[TenantContext, str], str]


async def delete_due(bucket: Bucket, marks: Marks, *, below: str) -> int:
    """Delete what the marks mean whose names sort below this; how many. Reads only what is due.

    The objects go before their marks: stopped between the two, the marks are found again.
    """
    deleted = 0
    due: list[str] = []
    async for mark in bucket.names(marks.prefix):
        if mark >= below:
            break
        due.append(mark)
        if len(due) == _MOST_AT_ONCE:
            deleted += await _delete(bucket, marks, due)
            due = []
    return deleted + await _delete(bucket, marks, due)


async def _delete(bucket: Bucket, marks: Marks, due: Sequence[str]) -> int:
    meant = [name for mark in due if (name := _meant(marks, mark))]
    await bucket.delete_many(meant)
    await bucket.delete_many(due)
    return len(meant)


def _meant(marks: Marks, mark: str) -> str:
    try:
        return marks.meant(*marks.read(mark))
    except RequestRejected:
        return ""  # somebody else's object
