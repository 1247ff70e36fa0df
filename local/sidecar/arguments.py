"""The words of ``nexus sidecar`` and what they mean."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from local.sidecar.options import FRAME_MS, Faults, Line, Mode, SidecarOptions

DEFAULT_PORT = 8998
"""The genuine server's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Teach them to a parser."""
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="of the first double; each further one takes the next; 0: free ones")
    parser.add_argument("--count", type=int, default=2, help="how many doubles; each carries one session, as a GPU process does")
    parser.add_argument("--mode", choices=get_args(Mode), default="converse", help="what the model does")
    parser.add_argument("--say", nargs="+", default=(), metavar="LINE", help="what it says unasked, one sentence every 8 s")
    parser.add_argument(
        "--claim", nargs="+", default=(), metavar="LINE", help="false confirmations, each said after a turn about a booking"
    )
    parser.add_argument("--setup-s", type=float, default=0.5, help="seconds of set-up before the handshake (a GPU needs 2 to 9)")
    parser.add_argument("--slow-ms", type=float, default=0.0, help="milliseconds a step takes; beyond 80 it falls behind for good")
    parser.add_argument("--fail-after-s", type=float, help="the model fails after so much caller audio: close code 1000, unasked")
    parser.add_argument("--hang-after-s", type=float, help="the model hangs: no more output, the socket stays open")
    parser.add_argument("--drop-after-s", type=float, help="the connection is reset")
    parser.add_argument("--half-open-after-s", type=float, help="the socket is no longer read")
    parser.add_argument("--corrupt-page", type=int, metavar="N", help="the N-th page of sound has a wrong checksum")
    parser.add_argument("--mute", action="store_true", help="nothing is ever said, not even silence")
    parser.add_argument("--refuse-handshake", action="store_true", help="every connection is cut right after the upgrade (1006)")
    parser.add_argument("--never-handshake", action="store_true", help="the set-up never ends")
    parser.add_argument("--dump", type=Path, metavar="DIR", help="leave a JSON and a WAV file of each session there")


def options_of(words: argparse.Namespace) -> SidecarOptions:
    """What was asked for."""
    return SidecarOptions(
        mode=words.mode,
        port=words.port,
        setup_s=words.setup_s,
        script=tuple(Line(text, number * _frames(8.0)) for number, text in enumerate(words.say)),
        claims=tuple(words.claim),
        dump_dir=words.dump,
        faults=Faults(
            fail_after_frames=_after(words.fail_after_s),
            hang_after_frames=_after(words.hang_after_s),
            drop_after_frames=_after(words.drop_after_s),
            half_open_after_frames=_after(words.half_open_after_s),
            corrupt_page=words.corrupt_page,
            mute=words.mute,
            slow_ms=words.slow_ms,
            refuse_handshake=words.refuse_handshake,
            never_handshake=words.never_handshake,
        ),
    )


def _after(seconds: float | None) -> int | None:
    return None if seconds is None else _frames(seconds)


def _frames(seconds: float) -> int:
    return round(seconds * 1000 / FRAME_MS)
