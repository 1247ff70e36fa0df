"""What the child process takes away from itself before it loads a tenant's code.

Three layers, from soft to hard:

- an audit hook refuses, with a readable ``PermissionError``, files outside the interpreter's own library, programs, forks, signals,
  listening sockets, and connections to loopback, private and link-local addresses;
- resource limits of the operating system: memory, processor seconds, open files, no written bytes, no core dump;
- Landlock, where the kernel has it: the same file rule, no execution, no signals to other processes, TCP only to the ports of web and
  name servers; beside it the filter of system calls (``syscalls``). Both are kept by the kernel whatever happens inside the interpreter.

Limits, said honestly: code that shares an interpreter with the audit hook can in the end undo the hook. What then still holds is
Landlock, the filter, the limits, the empty environment and the kill at the deadline. Without Landlock (an old kernel, not Linux) such code
could read what the process's user can read: run the media plane under a user of its own. The address rule is the hook's alone; the kernel
knows ports only.

**Source:** PEP 578 and the Python audit event table; landlock(7), linux/landlock.h; prctl(2), getrlimit(2).
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
import resource
import signal
import ssl
import struct
import sys
import sysconfig
import zoneinfo
from collections.abc import Callable, Sequence
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_SYS_LANDLOCK_CREATE, _SYS_LANDLOCK_ADD, _SYS_LANDLOCK_RESTRICT = 444, 445, 446
_FS_READ = (1 << 2) | (1 << 3)
_FS_BITS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NET_BIND_TCP, _NET_CONNECT_TCP = 1, 2
_WEB_PORTS = (53, 80, 443)
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_MAX_DESCRIPTOR_PATHS = ("/dev/null", "/dev/urandom")

_REFUSED = frozenset(
    [
        "os.fork",
        "os.forkpty",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "os.startfile",
        "os.kill",
        "os.killpg",
        "os.chdir",
        "os.rename",
        "os.remove",
        "os.mkdir",
        "os.rmdir",
        "os.link",
        "os.symlink",
        "os.truncate",
        "os.chmod",
        "os.chown",
        "os.utime",
        "os.putenv",
        "os.unsetenv",
        "subprocess.Popen",
        "pty.spawn",
        "signal.pthread_kill",
        "socket.bind",
        "gc.get_objects",
        "gc.get_referrers",
        "gc.get_referents",
        "code.__new__",
        "sys.setprofile",
        "sys.settrace",
        "sqlite3.connect",
        "fcntl.ioctl",
        "mmap.__new__",
        "resource.setrlimit",
        "resource.prlimit",
        "syslog.syslog",
        "webbrowser.open",
    ]
)
_REFUSED_FAMILIES = ("ctypes.", "shutil.", "ftplib.", "smtplib.", "telnetlib.", "winreg.", "msvcrt.")
_REFUSED_MODULES = frozenset(
    {
        "ctypes",
        "_ctypes",
        "multiprocessing",
        "_multiprocessing",
        "_posixsubprocess",
        "pty",
        "cffi",
        "resource",
        "media_plane",
        "control_plane",
        "local",
    }
)


def library_folders() -> tuple[str, ...]:
    """What a tool may read: the interpreter's library, time zones, certificates and the resolver's files."""
    paths = sysconfig.get_paths()
    certificates = ssl.get_default_verify_paths()
    found = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found |= {certificates.openssl_cafile, certificates.openssl_capath, *zoneinfo.TZPATH, *_MAX_DESCRIPTOR_PATHS}
    found |= {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/localtime", "/etc/ssl", "/usr/lib", "/lib"}
    return tuple(sorted(os.path.realpath(path) for path in found if path))


def limit_resources(*, memory_bytes: int, cpu_s: int, open_files: int) -> None:
    """Set hard limits that the process itself cannot raise."""
    for what, amount in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_NOFILE, open_files),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (amount, amount))
    os.umask(0o077)


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to kill this process when its parent ends (Linux; elsewhere the closed pipe ends it)."""
    if sys.platform != "linux":
        return
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(0)


def confine_with_landlock(readable: Sequence[str], *, private_network: bool) -> bool:
    """Leave reading ``readable`` as the only thing this process can do with files; whether the kernel could.

    Without ``private_network``, TCP goes to the ports of web and name servers only, so that no service of this machine is reached.
    """
    if sys.platform != "linux":
        return False
    libc = _libc()
    abi = libc.syscall(_SYS_LANDLOCK_CREATE, None, 0, 1)
    if abi < 1:
        return False
    files = (1 << _FS_BITS_BY_ABI.get(abi, 16)) - 1
    ports = _NET_BIND_TCP if private_network else _NET_BIND_TCP | _NET_CONNECT_TCP
    rules = struct.pack("QQQ", files, ports, _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS)
    ruleset = libc.syscall(_SYS_LANDLOCK_CREATE, rules, 24 if abi >= 6 else 16 if abi >= 4 else 8, 0)
    if ruleset < 0:
        return False
    for path in readable:
        _allow_reading(libc, ruleset, path)
    for port in _WEB_PORTS if ports & _NET_CONNECT_TCP and abi >= 4 else ():
        libc.syscall(_SYS_LANDLOCK_ADD, ruleset, 2, struct.pack("=QQ", _NET_CONNECT_TCP, port), 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    confined = libc.syscall(_SYS_LANDLOCK_RESTRICT, ruleset, 0) == 0
    os.close(ruleset)
    return bool(confined)


def _allow_reading(libc: Any, ruleset: int, path: str) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    access = _FS_READ if os.path.isdir(path) else 1 << 2  # noqa: PTH112 - pathlib is not loaded into the child
    libc.syscall(_SYS_LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", access, descriptor), 0)
    os.close(descriptor)


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def raise_audit_fence(readable: Sequence[str], *, private_network: bool) -> None:
    """Add the audit hook; it cannot be taken off again. ``private_network`` lets tools reach private addresses.

    The hook's words are its own variables and our modules leave ``sys.modules``: assigning to this module must not open the fence.
    """
    refused, families = _REFUSED, _REFUSED_FAMILIES
    rules: dict[str, Callable[[tuple[Any, ...]], None]] = {
        **dict.fromkeys(("open", "os.listdir", "os.scandir", "os.listxattr", "os.getxattr"), _path_rule(tuple(readable))),
        "import": _module_rule(_REFUSED_MODULES),
    }
    if not private_network:
        rules |= dict.fromkeys(("socket.connect", "socket.sendto", "socket.sendmsg"), _address_rule(is_public_address))

    def hook(event: str, details: tuple[Any, ...]) -> None:
        if event in refused or event.startswith(families):
            raise PermissionError(f"a tool may not use {event}")
        if rule := rules.get(event):
            rule(details)

    for name in [name for name in sys.modules if name.partition(".")[0] in _REFUSED_MODULES]:
        del sys.modules[name]
    sys.addaudithook(hook)


def _path_rule(readable: tuple[str, ...]) -> Callable[[tuple[Any, ...]], None]:
    inside = tuple(folder.rstrip("/") + "/" for folder in readable)

    def rule(details: tuple[Any, ...]) -> None:
        target = details[0] if details else None
        if isinstance(target, int):
            return
        path = os.path.realpath(os.fsdecode(target) if target is not None else ".")
        writes = len(details) > 2 and isinstance(details[2], int) and details[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or not (path in readable or path.startswith(inside)):
            raise PermissionError("a tool may not open files; keep data in context.store")

    return rule


def _module_rule(refused: frozenset[str]) -> Callable[[tuple[Any, ...]], None]:
    def rule(details: tuple[Any, ...]) -> None:
        if str(details[0]).partition(".")[0] in refused:
            raise PermissionError(f"a tool may not import {details[0]}")

    return rule


def _address_rule(is_public: Callable[[str], bool]) -> Callable[[tuple[Any, ...]], None]:
    def rule(details: tuple[Any, ...]) -> None:
        address = details[1] if len(details) > 1 else None
        if address is None:
            return
        if not (isinstance(address, tuple) and address and is_public(str(address[0]))):
            raise PermissionError("a tool may only connect to public internet addresses")

    return rule


def is_public_address(host: str) -> bool:
    """Whether ``host`` is the IP address of somewhere on the public internet; False for names and for wrapped private addresses."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if wrapped is not None:
            return wrapped.is_global and not wrapped.is_multicast
    return address.is_global and not address.is_multicast
