"""The kernel's own refusal of system calls that no tool needs, kept whatever happens inside the interpreter (Linux).

Landlock holds files and TCP ports, but not what one process may do to another of the same user (priority, limits, processor affinity),
nor forks, nor file modes. This filter does: a refused call fails with EPERM. It is inherited and cannot be taken off.

**Source:** seccomp(2), linux/filter.h, linux/audit.h, asm/unistd_64.h (x86-64), asm-generic/unistd.h (arm64).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER = 22, 38, 2
_LOAD, _JUMP_EQUAL, _JUMP_ANY_BIT, _JUMP_AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x54, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_AT_NUMBER, _AT_MACHINE, _AT_FIRST, _AT_SECOND = 0, 4, 16, 24  # low words of the arguments; both machines are little-endian
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000

_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # programs and processes (threads are decided by clone's flags below)
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "unshare": (272, 97),
    "setns": (308, 268),
    # other processes: memory, signals, priority
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # files' modes, owners and times, which Landlock leaves open
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    # servers, shared memory, and doors into the kernel
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "personality": (135, 92),
    # the machine itself, should the platform run as root
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "acct": (163, 89),
    "syslog": (103, 116),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
}
_CLONE, _CLONE3, _PRLIMIT, _TGKILL, _SOCKET = (56, 220), (435, 435), (302, 261), (234, 131), (41, 198)

_Step = tuple[int, int, int, int]


def confine_system_calls() -> bool:
    """Install the filter for this process; whether the kernel took it. Call it while the process has one thread."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return False
    steps = _filter(platform.machine())
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    header = struct.pack("@HP", len(steps), ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, header, 0, 0) == 0)


def _filter(machine: str) -> list[_Step]:
    audit, column = _MACHINES[machine]
    steps = [(_LOAD, 0, 0, _AT_MACHINE), (_JUMP_EQUAL, 1, 0, audit), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _AT_NUMBER)]
    if machine == "x86_64":
        steps += [(_JUMP_AT_LEAST, 0, 1, _X32), _refuse()]
    for pair in _REFUSED.values():
        number = pair[column]
        if number is not None:
            steps += [(_JUMP_EQUAL, 0, 1, number), _refuse()]
    steps += [(_JUMP_EQUAL, 0, 1, _CLONE3[column]), _refuse(errno.ENOSYS)]  # its flags lie in memory; the C library falls back to clone
    steps += _when(_CLONE[column], [(_LOAD, 0, 0, _AT_FIRST), (_JUMP_ANY_BIT, 1, 0, _CLONE_THREAD), _refuse()])
    steps += _when(_PRLIMIT[column], [(_LOAD, 0, 0, _AT_FIRST), (_JUMP_EQUAL, 1, 0, 0), _refuse()])
    steps += _when(_TGKILL[column], [(_LOAD, 0, 0, _AT_FIRST), (_JUMP_EQUAL, 1, 0, os.getpid()), _refuse()])
    internet = [
        (_LOAD, 0, 0, _AT_FIRST),
        (_JUMP_EQUAL, 2, 0, socket.AF_INET),
        (_JUMP_EQUAL, 1, 0, socket.AF_INET6),
        _refuse(),
        (_LOAD, 0, 0, _AT_SECOND),
        (_AND, 0, 0, 0xF),
        (_JUMP_EQUAL, 2, 0, socket.SOCK_STREAM),
        (_JUMP_EQUAL, 1, 0, socket.SOCK_DGRAM),
        _refuse(),
    ]
    return [*steps, *_when(_SOCKET[column], internet), (_RETURN, 0, 0, _ALLOW)]


def _when(number: int, steps: list[_Step]) -> list[_Step]:
    """Only for one call: ``steps`` fall through to an allowing return."""
    return [(_JUMP_EQUAL, 0, len(steps) + 1, number), *steps, (_RETURN, 0, 0, _ALLOW)]


def _refuse(error: int = errno.EPERM) -> _Step:
    return (_RETURN, 0, 0, _ERRNO | error)
