"""The numbers of the benchmarks are summed up rightly and land in their own place of the document."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.barge_in import onset_in_ms
from benchmarks.caller import frames, repeated
from benchmarks.figures import Figure, markdown, percentile, placed, slope, spread

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)
FIGURE = Figure("speed", "How fast", ("what", "ms"), (("one", "1"), ("two", "2")), ("Measured twice.",))


def test_percentiles_of_twenty_turns_are_ranks() -> None:
    values = [float(n) for n in range(20, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile(values, 1.0)) == (10.0, 19.0, 20.0)


@given(NUMBERS, st.floats(0, 1))
def test_a_percentile_was_really_measured_and_has_its_share_below_or_at_it(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


def test_a_spread_shows_median_and_range() -> None:
    assert spread([3.0, 1.0, 2.0], 1) == "2.0 (1.0-3.0)"


@given(st.floats(-100, 100), st.floats(-100, 100), st.lists(st.integers(0, 50), min_size=2, max_size=10, unique=True))
def test_the_slope_of_a_line_is_found(rise: float, start: float, at: list[int]) -> None:
    assert slope([(x, start + rise * x) for x in at]) == pytest.approx(rise, abs=1e-6)


def test_one_point_has_no_slope() -> None:
    with pytest.raises(ValueError, match="two different"):
        slope([(1, 2), (1, 3)])


def test_a_table_is_markdown_with_numbers_to_the_right() -> None:
    assert markdown(FIGURE).splitlines()[2:6] == ["| what | ms |", "|---|---:|", "| one | 1 |", "| two | 2 |"]
    assert markdown(FIGURE).endswith("\n\nMeasured twice.")


def test_a_figure_replaces_only_what_stands_between_its_own_markers() -> None:
    document = "head\n<!-- figure: speed -->\nold\n<!-- end: speed -->\n<!-- figure: size -->\nkept\n<!-- end: size -->\ntail\n"
    once = placed(document, FIGURE)
    assert "old" not in once and "| two | 2 |" in once
    assert once.startswith("head\n") and once.endswith("<!-- figure: size -->\nkept\n<!-- end: size -->\ntail\n")
    assert placed(once, FIGURE) == once


def test_a_document_without_the_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for speed"):
        placed("<!-- end: speed -->", FIGURE)


def test_the_onset_is_the_first_sample_that_is_not_noise() -> None:
    quiet, loud = (50).to_bytes(2, "little"), (9_000).to_bytes(2, "little")
    assert onset_in_ms(quiet * 1_600 + loud * 100) == 100.0
    assert onset_in_ms(b"") == onset_in_ms(bytes(640)) == 0.0


def test_the_last_frame_is_filled_up_and_pieces_come_over_and_over() -> None:
    assert frames(b"\1" * 5, size_bytes=4) == [b"\1\1\1\1", b"\1\0\0\0"]
    assert list(repeated((b"h",), (b"a", b"b"), 3)) == [b"h", b"a", b"b", b"a"]
