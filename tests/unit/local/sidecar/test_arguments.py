"""What the words of ``nexus sidecar`` come to."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from local.sidecar.arguments import add_arguments, options_of
from local.sidecar.options import Faults, Line, SidecarOptions


def _options(*words: str) -> tuple[SidecarOptions, int]:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    parsed = parser.parse_args(words)
    return options_of(parsed), parsed.count


def test_without_words_it_is_two_that_converse_on_the_genuine_port() -> None:
    options, count = _options()
    assert (options, count) == (SidecarOptions(mode="converse", port=8998, setup_s=0.5), 2)


def test_seconds_become_frames_and_every_fault_has_its_word() -> None:
    options, _ = _options(
        *("--fail-after-s", "1", "--hang-after-s", "2", "--drop-after-s", "0", "--half-open-after-s", "4", "--corrupt-page", "9"),
        *("--slow-ms", "120", "--mute", "--refuse-handshake", "--never-handshake"),
    )
    assert options.faults == Faults(
        fail_after_frames=12,
        hang_after_frames=25,
        drop_after_frames=0,
        half_open_after_frames=50,
        corrupt_page=9,
        slow_ms=120.0,
        mute=True,
        refuse_handshake=True,
        never_handshake=True,
    )


def test_lines_claims_and_the_folder_of_dumps(tmp_path: Path) -> None:
    options, count = _options("--count", "3", "--say", "One.", "Two.", "--claim", "Booked.", "--dump", str(tmp_path), "--setup-s", "4")
    assert options.script == (Line("One.", 0), Line("Two.", 100))
    assert (options.claims, options.dump_dir, options.setup_s, count) == (("Booked.",), tmp_path, 4.0, 3)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(SystemExit):
        _options("--mode", "sing")
