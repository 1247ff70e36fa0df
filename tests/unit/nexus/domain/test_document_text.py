"""Uploaded documents as values: nothing said is lost, and what cannot be read says why."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from nexus.domain.document_text import read_document
from nexus.domain.knowledge import knowledge_text
from nexus.domain.knowledge_shelf import MOST_DOCUMENT_BYTES
from tests.growth import grows_in_proportion

MARKDOWN = """# Clip & Comb

Walk-ins are **welcome**.

## Parking
Free behind the shop,
for [two hours](https://example.com/parking).

## Prices

- Haircut: 30 euros
- Beard trim: 18 euros

| Service | Time |
|---------|------|
| Colour  | 90 minutes |

## Parking

Bicycles in front.
"""


def test_markdown_becomes_sections_of_paragraphs() -> None:
    assert read_document("text/markdown", MARKDOWN) == {
        "Clip & Comb": {
            "General": ["Walk-ins are welcome."],
            "Parking": "Free behind the shop, for two hours.",
            "Prices": ["Haircut: 30 euros", "Beard trim: 18 euros", "Service, Time", "Colour, 90 minutes"],
            "Parking (2)": "Bicycles in front.",
        }
    }


def test_headings_nest_by_their_level() -> None:
    text = "## B\nb\n### C\nc\n# A\na\n"
    assert read_document("text/markdown", text) == {"B": {"General": ["b"], "C": "c"}, "A": "a"}


def test_plain_text_is_paragraphs_and_a_long_one_is_its_sentences() -> None:
    assert read_document("text/plain", "We open\nat nine.\n\nWe close at six.") == ["We open at nine.", "We close at six."]
    sentence = "We have many chairs, and all of them are free on Mondays before noon. "
    assert read_document("text/plain", sentence * 5) == [sentence.strip()] * 5


def test_a_page_is_what_is_seen_of_it() -> None:
    page = "<html><head><title>Shop</title><style>p {}</style></head><body><h2>Hours</h2><p>Nine &ndash; <b>six</b></p>"
    page += "<script>alert('x')</script><ul><li>Closed on Sunday</ul></body></html>"
    assert read_document("text/html", page) == {"General": ["Shop"], "Hours": ["Nine – six", "Closed on Sunday"]}


def test_a_table_becomes_records() -> None:
    text = 'Service,Price\nHaircut,30\n"Cut, wash","40"\nBeard,\n'
    assert read_document("text/csv", text) == [
        {"Service": "Haircut", "Price": "30"},
        {"Service": "Cut, wash", "Price": "40"},
        {"Service": "Beard"},
    ]


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (
            "Name;price\nCalzone;12 dollars\nMarinara;10,50\n",
            [{"Name": "Calzone", "price": "12 dollars"}, {"Name": "Marinara", "price": "10,50"}],
        ),
        ("Name\tprice\nCalzone, small\t12\n", [{"Name": "Calzone, small", "price": "12"}]),
        ('Name;note\n"Calzone; small";hot\n', [{"Name": "Calzone; small", "note": "hot"}]),
        ("Name,note\nCalzone,hot; small\n", [{"Name": "Calzone", "note": "hot; small"}]),
        ("Tips; tricks\nCome early\n", [{"Tips; tricks": "Come early"}]),
    ],
)
def test_the_cells_of_a_table_lie_between_commas_semicolons_or_tabs(text: str, records: JsonValue) -> None:
    assert read_document("text/csv", text) == records


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("application/json", "{", "not JSON"),
        ("application/json", "NaN", "no number"),
        ("application/json", "[" * 100_000, "too deeply"),
        ("application/json", "[" * 30 + "1" + "]" * 30, "20 levels"),
        ("application/json", "{}", "no text"),
        ("text/csv", "a,b\n1\n", "row 2 has 1 cells"),
        ("text/csv", "a;b\n1;2\n3\n", "row 3 has 1 cells"),
        ("text/csv", "a,b\n", "at least one more line"),
        ("text/csv", 'a,b\n"1,2\n', "not CSV"),
        ("text/markdown", "# \n\n```\n", "no text"),
        ("text/plain", " \n\t", "no text"),
        ("text/plain", "Hours: 9\0 to 5", "NUL character"),
        ("text/html", "<script>x</script>", "no text"),
    ],
)
def test_what_cannot_be_read_says_why(kind: str, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_document(kind, text)  # type: ignore[arg-type]


WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=8), min_size=1, max_size=60)


@given(WORDS, st.sampled_from(["\n", "\n\n", " ", "\n- ", "\n# ", "\n### "]))
def test_no_word_of_a_text_is_lost(words: list[str], between: str) -> None:
    text = "begin " + between.join(words) + "\nend"
    found = knowledge_text(read_document("text/markdown", text)).lower()
    assert set(words) <= set(found.replace(":", " ").replace("(", " ").split())


@given(st.text(max_size=300), st.sampled_from(["text/markdown", "text/plain", "text/html", "text/csv", "application/json"]))
def test_any_text_is_read_or_refused(text: str, kind: str) -> None:
    try:
        value: JsonValue = read_document(kind, text)  # type: ignore[arg-type]
    except ValueError:
        return
    json.dumps(value, allow_nan=False)


# --- documents that were written to be slow ----------------------------------------------------------------------------------

SLOW_BEFORE = {
    "the same heading again and again": ("text/markdown", "# a\n", ""),
    "the same heading over text": ("text/markdown", "# a\nb\n", ""),
    "brackets that never close": ("text/markdown", "[", ""),
    "links that never close": ("text/markdown", "[a](", ""),
    "a heading with a gap": ("text/markdown", " ", "b"),
    "a heading closed late": ("text/markdown", "#", "b"),
    "a rule of a table that is none": ("text/markdown", "|", "x"),
    "tags that never end": ("text/html", "<a ", ""),
    "attributes that never end": ("text/html", '<a b="', ""),
    "marks that do not pair": ("text/html", "<a b='\">", ""),
    "comments that never end": ("text/html", "<!--", ""),
    "comments that never end, beside tags that do": ("text/html", "<!-->", ""),
    "scripts that never end": ("text/html", "<script></script", ""),
    "one heading after another": ("text/html", "<h1>a</h1>", ""),
    "signs that are no tags": ("text/html", "<", ""),
}


@pytest.mark.parametrize("kind", SLOW_BEFORE)
def test_a_document_of_the_greatest_size_is_read_in_time_in_proportion(kind: str) -> None:
    """It is read on the event loop of living calls: these took from two seconds to two minutes, once."""
    content_type, again, last = SLOW_BEFORE[kind]
    first = "# a " if kind.startswith("a heading") else ""

    def read(size: int) -> None:
        with contextlib.suppress(ValueError):
            read_document(content_type, first + again * ((size - len(first + last)) // len(again)) + last)  # type: ignore[arg-type]

    assert grows_in_proportion(read, MOST_DOCUMENT_BYTES)


def test_html_is_read_like_a_browser_reads_what_is_torn() -> None:
    assert read_document(
        "text/html", '<p title="a > b">one</p><p title=5">two</p> 3 < 4 </3><!-- not this --><br/>three<p attr="never'
    ) == [
        "one",
        "two",
        "3 < 4",
        "three",
    ]
    assert read_document("text/html", "<STYLE>p > b { }</STYLE ><p>seen</p><script>'<p>'</script><p>too &amp; so<!-- gone") == [
        "seen",
        "too & so",
    ]


def test_a_heading_takes_the_next_free_number() -> None:
    assert read_document("text/markdown", "# a (2)\none\n# a\ntwo\n# a ##\nthree\n# a\nfour\n#b\n# C#\nfive\n#\tc d #  \nsix") == {
        "a (2)": "one",
        "a": "two",
        "a (3)": "three",
        "a (4)": "four #b",
        "C": "five",
        "c d": "six",
    }


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '{"\\udfff": 1}', '["\\udc00\\ud800"]', '{"a": [1, -1e999]}', "[1e400]"])
def test_json_that_no_prompt_can_hold_is_refused(text: str) -> None:
    """A call cannot be ordered with it: the hash of its configuration is one of UTF-8."""
    with pytest.raises(ValueError, match="half a character"):
        read_document("application/json", text)
    assert read_document("application/json", '{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}
