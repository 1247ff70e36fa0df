"""The prompt holds what matters most within its limit, and the agent stays the same person in every generation."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.engines.personaplex.prompt import compose, persona
from media_plane.engines.personaplex.wire import chat_url, encoded_bytes
from media_plane.ports.speech_line import ModelBrief, Said
from nexus.domain.tenant import Recording, TenantConfig
from tests.growth import grows_in_proportion

PERSONA = "You are Ann of Fine Cuts. Be brief and kind. Ask one thing at a time."
KNOWLEDGE = {
    "hours": {"monday": "closed", "tuesday": "9 AM to 6 PM"},
    "services": [{"name": "Haircut", "price": "30 dollars"}],
    "policies": ["Cash only."],
}


def config(**fields: object) -> TenantConfig:
    return TenantConfig.model_validate({"tenant_id": "fine_cuts", "system_prompt": PERSONA, **fields})


def brief(
    *, generation: int = 1, facts: tuple[str, ...] = (), said: tuple[Said, ...] = (), now: datetime | None = None, **fields: object
) -> ModelBrief:
    return ModelBrief("call_1", generation, config(**fields), facts, said, now)


def conversation(turns: int) -> tuple[Said, ...]:
    return tuple(Said("caller" if number % 2 else "agent", f"sentence {number}.") for number in range(turns))


TEXT = st.text(max_size=400)
BRIEFS = st.builds(
    brief,
    generation=st.integers(1, 9),
    facts=st.lists(TEXT, max_size=5).map(tuple),
    now=st.none() | st.datetimes(timezones=st.just(ZoneInfo("Asia/Tokyo"))),
    said=st.lists(st.builds(Said, st.sampled_from(["caller", "agent"]), TEXT), max_size=30).map(tuple),
    system_prompt=st.one_of(
        st.text(min_size=1, max_size=3_000),
        st.lists(st.sampled_from(["One thing. ", "Two! ", "and so on "]), min_size=1, max_size=300).map("".join),
    ),
    greeting=TEXT,
    knowledge_base=st.recursive(
        TEXT, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4), max_leaves=12
    ),
    enabled_tools=st.sampled_from([(), ("book",)]),
    first_speaker=st.sampled_from(["agent", "caller"]),
)


# --- laws --------------------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(BRIEFS, st.integers(500, 6_500))
def test_it_is_never_empty_never_too_long_and_can_always_be_sent(one: ModelBrief, limit_bytes: int) -> None:
    text = compose(one, limit_bytes).text
    assert text.strip()
    assert encoded_bytes(text) <= limit_bytes
    assert not re.search(r"[\x00-\x1f\x7f]", text)
    assert not re.search(r"<\s*/?\s*system\s*/?\s*>", text, re.IGNORECASE)
    chat_url("ws://127.0.0.1:8998/api/chat", prompt=text, voice_file="NATF0.pt")


@settings(max_examples=100, deadline=None)
@given(BRIEFS, BRIEFS, st.integers(500, 6_500))
def test_the_persona_has_the_same_bytes_in_every_generation(one: ModelBrief, other: ModelBrief, limit_bytes: int) -> None:
    block = persona(one.config, limit_bytes)
    rotated = ModelBrief(one.call_id, other.generation + 1, one.config, other.facts, other.said, other.now)
    assert compose(one, limit_bytes).text.startswith(block + " ")
    assert compose(rotated, limit_bytes).text.startswith(block + " ")


@given(st.integers(0, 60), st.integers(500, 3_000))
def test_words_are_cut_from_the_oldest_on_and_only_whole(turns: int, limit_bytes: int) -> None:
    said = conversation(turns)
    text = compose(brief(generation=2, said=said), limit_bytes).text
    kept = [number for number in range(turns) if f'"sentence {number}."' in text]
    assert kept == list(range(turns - len(kept), turns))
    assert re.findall(r"sentence \d+", text) == [f"sentence {number}" for number in kept]


# --- what it says ------------------------------------------------------------------------------------------------------------


def test_everything_fits_into_the_usual_limit() -> None:
    text = compose(
        brief(generation=2, facts=("Haircut booked for Tuesday at ten.",), said=conversation(6), knowledge_base=KNOWLEDGE), 3_000
    ).text
    order = [PERSONA, "Never say that", "under way", "Haircut booked", "sentence 0", "sentence 5", "Information:", "Monday: closed"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert 'Caller: "sentence 5."' in text and 'You: "sentence 4."' in text


def test_the_first_session_knows_what_the_platform_has_said_and_waits() -> None:
    text = compose(
        brief(greeting="Fine Cuts, hello!", recording=Recording(enabled=True, consent_line="We record.").model_dump()), 3_000
    ).text
    assert '"We record. Fine Cuts, hello!"' in text
    assert "wait for the caller" in text


def test_a_consent_line_that_is_not_spoken_is_not_told() -> None:
    assert "We record" not in compose(brief(recording={"enabled": False, "consent_line": "We record."}), 3_000).text


def test_where_the_caller_begins_the_model_is_told_so_and_not_the_greeting() -> None:
    text = compose(brief(first_speaker="caller", greeting="Hello from Fine Cuts!"), 3_000).text
    assert "The caller speaks first" in text
    assert "Hello from" not in text


@pytest.mark.parametrize("one", [brief(generation=2, greeting="Hi there!"), brief(said=(Said("caller", "hm"),), greeting="Hi there!")])
def test_in_the_middle_of_a_call_nobody_greets_again(one: ModelBrief) -> None:
    text = compose(one, 3_000).text
    assert "under way" in text
    assert "Hi there!" not in text


def test_the_model_is_told_that_its_hands_are_tied() -> None:
    with_tools, without = compose(brief(enabled_tools=("book",)), 3_000).text, compose(brief(), 3_000).text
    assert "a colleague does that" in with_tools
    assert "colleague" not in without and "nobody does it" in without
    assert "Never say that" in with_tools and "Never say that" in without


# --- what is left out --------------------------------------------------------------------------------------------------------


def test_the_model_knows_what_day_and_time_it_is_where_the_tenant_is() -> None:
    now = datetime(2026, 11, 21, 9, 5, tzinfo=ZoneInfo("Europe/Berlin"))
    first, later = replace(brief(), now=now), replace(brief(generation=2), now=now + timedelta(minutes=4))
    assert "It is now Saturday, 21 November 2026, 09:05." in compose(first, 3_000).text
    assert "09:09." in compose(later, 3_000).text
    assert "It is now" not in compose(brief(), 3_000).text
    opening = persona(first.config, 3_000)
    assert compose(first, 3_000).text.startswith(opening) and compose(later, 3_000).text.startswith(opening)
    assert first == brief(), "time alone makes no brief stale"


def test_facts_go_before_words_and_words_before_knowledge() -> None:
    facts = tuple(f"Fact {number} is certain." for number in range(8))
    sizes = range(700, 3_000, 50)
    seen = [compose(brief(generation=3, facts=facts, said=conversation(20), knowledge_base=KNOWLEDGE), size).text for size in sizes]
    last_fact, first_fact, last_word = ([part in text for text in seen].index(True) for part in ("Fact 7", "Fact 0", "sentence 19"))
    assert last_fact <= first_fact <= last_word
    counts = [len(re.findall(r"Fact \d", text)) for text in seen]
    assert counts == list(accumulate(counts, max)), "more room never means fewer facts"


def test_words_leave_knowledge_its_share() -> None:
    text = compose(brief(generation=2, said=conversation(300), knowledge_base=KNOWLEDGE), 2_000).text
    assert "Cash only." in text
    assert "sentence 299" in text and "sentence 0." not in text


def test_knowledge_is_cut_at_whole_lines_and_says_that_there_is_more() -> None:
    many = {"prices": {f"service {number}": f"{number} dollars" for number in range(300)}}
    text = compose(brief(knowledge_base=many), 1_500).text
    last = max(int(number) for number in re.findall(r"Service (\d+)", text))
    assert f"Service {last}: {last} dollars; For anything else, say that you will find out." in text
    assert encoded_bytes(text) > 1_400, "the room is used"


def test_knowledge_in_one_endless_line_is_cut_at_a_sentence() -> None:
    text = compose(brief(knowledge_base="We cut hair. " * 500), 1_500).text
    assert "We cut hair. For anything else" in text


def test_a_title_with_nothing_under_it_is_left_out() -> None:
    for limit_bytes in range(700, 1_200, 7):
        text = compose(
            brief(knowledge_base={"a": {"first": "x" * 150}, "b": {"second": "y" * 150}, "c": {"third": "z" * 400}}), limit_bytes
        ).text
        assert not re.search(r"[ABC]: For anything", text)


def test_the_tenants_own_limit_of_knowledge_holds() -> None:
    text = compose(brief(knowledge_base=["line one is here", "line two is here"], limits={"knowledge_chars": 30}), 3_000).text
    assert "line one" in text and "line two" not in text


def test_a_persona_that_is_too_long_is_cut_at_a_sentence_and_told() -> None:
    prompt = compose(brief(system_prompt=" ".join(f"Rule {number} is to be kind." for number in range(200))), 2_000)
    assert prompt.persona_cut
    assert re.search(r"Rule \d+ is to be kind\. You cannot book", prompt.text)
    assert not compose(brief(), 2_000).persona_cut


@pytest.mark.parametrize("limit_bytes", [500, 501, 777, 1_500, 3_000, 6_500])
def test_a_long_persona_and_a_long_greeting_share_the_room(limit_bytes: int) -> None:
    text = compose(brief(system_prompt="Be kind. " * 1_500, greeting="Good morning. " * 500), limit_bytes).text
    assert limit_bytes * 0.6 < encoded_bytes(text) <= limit_bytes
    assert "Good morning." in text


def test_a_persona_without_sentences_is_cut_at_a_word() -> None:
    text = compose(brief(system_prompt="kindness " * 1_000), 1_500).text
    assert "kindness You cannot book" in text


def test_a_long_persona_leaves_room_for_what_was_said() -> None:
    text = compose(brief(generation=2, system_prompt="Be kind. " * 1_000, facts=("Booked for ten.",), said=conversation(4)), 2_000).text
    assert "Booked for ten." in text and "sentence 3" in text


@pytest.mark.parametrize("nasty", ["<system>", "</system>", "< SYSTEM >", "<sys<system>tem>", "<system/>", "<<system>system>"])
def test_no_text_of_anybodys_holds_the_servers_tag(nasty: str) -> None:
    one = brief(
        generation=2,
        system_prompt=f"{nasty} Be kind. {nasty}",
        facts=(f"It {nasty} is.",),
        said=(Said("caller", f"Hm {nasty} hm"),),
        knowledge_base=[f"Cash {nasty} only."],
    )
    text = compose(one, 3_000).text
    assert "system" not in text.lower()
    assert "Be kind." in text and "It is." in text and "Hm hm" in text and "Cash only." in text


@pytest.mark.parametrize(
    "nasty",
    [("<", "system>"), ("<", " "), ("", "<\n"), ("", "a. "), ("", ".")],
    ids=["tags in tags", "blanks", "lines", "sentences", "stops"],
)
def test_a_nasty_prompt_of_100_kb_takes_time_in_proportion(nasty: tuple[str, str]) -> None:
    """Composing runs between the audio of all calls; each of these once took seconds."""
    first, again = nasty

    def composed(size: int) -> str:
        times = size // len(first + again)
        return compose(brief(system_prompt=first * (times if again == "system>" else 1) + again * times), 3_000).text

    assert grows_in_proportion(composed, 100_000)
    text = composed(100_000)
    assert "system>" not in text or "<" not in text


def test_half_a_surrogate_pair_as_a_client_may_type_it_breaks_nothing() -> None:
    text = compose(brief(generation=2, said=(Said("caller", "\ud83d ten"),)), 3_000).text
    assert "?+ten" in chat_url("ws://gpu", prompt=text, voice_file="NATF0.pt")


def test_a_persona_of_tags_alone_still_gives_a_prompt() -> None:
    assert compose(brief(system_prompt="<system> <system>"), 500).text.startswith("You cannot book")
