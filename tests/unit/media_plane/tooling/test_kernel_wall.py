"""What the kernel alone refuses: a process without the audit hook, as if a tool had undone it."""

from __future__ import annotations

import asyncio
import sys

import pytest

CONFINED = """
import os, signal, socket, sys, threading
from media_plane.tooling import fences, syscalls
readable = fences.library_folders()
landlock = fences.confine_with_landlock(readable, private_network=False)
if not syscalls.confine_system_calls():
    sys.exit(77)
TRIES = {
    "fork": lambda: os.fork() or os._exit(0),
    "execute": lambda: os.execv("/bin/true", ["true"]),
    "signal": lambda: os.kill(os.getppid(), 0),
    "affinity": lambda: os.sched_setaffinity(os.getppid(), {0}),
    "priority": lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19),
    "limits": lambda: __import__("resource").prlimit(os.getppid(), __import__("resource").RLIMIT_CORE, (0, 0)),
    "mode": lambda: os.chmod("/tmp", 0o1777),
    "session": os.setsid,
    "unix_socket": lambda: socket.socket(socket.AF_UNIX),
    "raw_socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "bind": lambda: socket.socket().bind(("127.0.0.1", 0)),
}
if landlock:
    TRIES["read"] = lambda: open("/etc/passwd").read()
    TRIES["environ"] = lambda: open(f"/proc/{os.getppid()}/environ").read()
    TRIES["loopback"] = lambda: socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)
for name, attempt in TRIES.items():
    try:
        attempt()
        print("ALLOWED", name)
    except OSError as error:
        assert isinstance(error, PermissionError), (name, error)
thread = threading.Thread(target=print, args=("threads work",))
thread.start()
thread.join()
"""


async def test_the_kernel_holds_where_the_hook_is_undone() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CONFINED, str(port)), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, broke = await child.communicate()
    server.close()
    if child.returncode == 77:
        pytest.skip("this kernel takes no filter of system calls")
    assert (said.decode().split("\n"), broke.decode()) == (["threads work", ""], "")
