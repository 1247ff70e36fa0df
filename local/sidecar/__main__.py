"""Doubles as another process's child: the first line of standard output holds the addresses, the end of standard input ends it."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from local.sidecar.arguments import add_arguments, options_of
from local.sidecar.process import serve
from nexus.errors import ConfigurationError
from nexus.logs import set_up_logging


def main() -> int:
    """0 when the parent ended it."""
    parser = argparse.ArgumentParser(prog="python -m local.sidecar", description=__doc__)
    add_arguments(parser)
    words = parser.parse_args()
    set_up_logging("WARNING", "COLOR")
    try:
        asyncio.run(serve(options_of(words), words.count, _tell, _parent_ends))
    except ConfigurationError as error:
        sys.stderr.write(error.public_message + "\n")
        return 1
    return 0


def _tell(urls: Sequence[str]) -> None:
    sys.stdout.write(" ".join(urls) + "\n")
    sys.stdout.flush()


async def _parent_ends() -> None:
    """However the parent ends, also killed, its end of the pipe is closed."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass


if __name__ == "__main__":
    sys.exit(main())
