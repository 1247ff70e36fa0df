"""Redaction: numbers of people vanish, dates, times and prices stay."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.domain.redaction import redact
from tests.growth import grows_in_proportion

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
separators = st.sampled_from(["", " ", "-", ".", " - "])


@given(st.text("0123456789", min_size=7, max_size=12).filter(lambda digits: digits[0] != "0" or digits[1] != "0"), separators)
def test_written_phones_vanish(digits: str, separator: str) -> None:
    groups = separator.join((digits[:3], digits[3:]))
    for said in (f"my number is {groups}, thanks", f"+{groups}", f"({digits[:3]}) {digits[3:]}", f"tel:{groups}"):
        text, counts = redact(said)
        assert digits[3:] not in text
        assert counts.total() == 1


@given(st.lists(st.sampled_from(DIGITS), min_size=6, max_size=14), st.sampled_from([" ", ", ", "-"]))
def test_spoken_phones_vanish(digits: list[str], separator: str) -> None:
    text, counts = redact(f"call me on {separator.join(digits)} please")
    assert text == "call me on [phone] please"
    assert counts == {"phone": 1}


@given(st.dates(date(1950, 1, 1), date(2090, 12, 31)), st.times())
def test_dates_and_times_stay(day: date, at: time) -> None:
    clock = at.strftime("%H:%M")
    for written in (
        f"on {day.isoformat()} at {clock}",
        f"{day:%d.%m.%Y} {clock}",
        f"{day:%m/%d/%Y}, {clock}-{clock}",
        f"{day.isoformat()}T{at:%H:%M:%S}Z",
        f"from {day.isoformat()} {day.isoformat()}",
    ):
        assert redact(written)[0] == written


@given(st.integers(0, 99_999), st.integers(0, 99))
def test_prices_stay(whole: int, cents: int) -> None:
    for written in (f"${whole}.{cents:02}", f"it costs {whole:,}.{cents:02} euros", f"{whole} shekels"):
        assert redact(written)[0] == written


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("4111 1111 1111 1111", "card"),
        ("4111-1111-1111-1111", "card"),
        ("dana.levi+spam@mail.example.co.il", "email"),
        ("bob.12.10.2026@example.com", "email"),
        ("1.800.555.0199", "phone"),
        ("double five five one two three four", "phone"),
    ],
)
def test_each_kind_is_named(said: str, kind: str) -> None:
    text, counts = redact(f"it is {said} ok")
    assert text == f"it is [{kind}] ok"
    assert counts == {kind: 1}


@given(st.text(max_size=80))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redact(text)[0]
    assert redact(once)[0] == once


def test_a_phone_beside_a_date_vanishes_alone() -> None:
    assert redact("21.11.2026 10:30 050-123-4567")[0] == "21.11.2026 10:30 [phone]"


@given(st.integers(1_000, 999_999))
def test_order_numbers_stay(number: int) -> None:
    said = f"My order is {number}, thank you."
    assert redact(said) == (said, {})


@pytest.mark.parametrize("said", ["john dot smith at gmail dot com", "j o h n at example dot co dot uk", "anna underscore b at web dot de"])
def test_a_spoken_address_vanishes(said: str) -> None:
    assert redact(f"Write to {said}, please.")[0] == "Write to [email], please."


@pytest.mark.parametrize("said", ["let us meet at five. Dot is my dog", "it is at the shop", "see you at noon"])
def test_plain_speech_with_at_stays(said: str) -> None:
    assert redact(said) == (said, {})


@pytest.mark.parametrize("piece", ["a", "a ", "a dot ", "a at b ", "x.", "1 ", "a@a."])
def test_long_text_takes_time_in_proportion(piece: str) -> None:
    """A quadratic pattern took seventeen seconds."""
    assert grows_in_proportion(lambda size: redact(piece * (size // len(piece))), 100_000)
