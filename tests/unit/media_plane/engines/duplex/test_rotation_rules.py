"""When a call moves to a fresh session of its model."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.engines.duplex.rotation_rules import Action, Moment, RotationPolicy, decide, is_due

POLICY = RotationPolicy(rotate_after_ms=200_000, window_ms=300_000, connect_timeout_ms=30_000, move_within_ms=5_000)
NEVER = RotationPolicy(rotate_after_ms=inf, window_ms=inf)


@pytest.mark.parametrize(
    ("moment", "action"),
    [
        (Moment(age_ms=0, quiet_ms=5_000), Action.WAIT),
        (Moment(age_ms=199_999, quiet_ms=5_000), Action.WAIT),
        (Moment(age_ms=200_000, quiet_ms=1), Action.PRIME),
        (Moment(age_ms=200_000, quiet_ms=0), Action.WAIT),
        (Moment(age_ms=270_000, quiet_ms=0), Action.PRIME),
        (Moment(age_ms=200_000, quiet_ms=1, may_try=False), Action.WAIT),
        (Moment(age_ms=300_000, quiet_ms=1, may_try=False), Action.GIVE_UP),
        (Moment(age_ms=20_000, quiet_ms=1, refresh=True), Action.PRIME),
        (Moment(age_ms=19_999, quiet_ms=1, refresh=True), Action.WAIT),
        (Moment(age_ms=205_000, quiet_ms=5_000, spare="opening"), Action.WAIT),
        (Moment(age_ms=305_000, quiet_ms=5_000, spare="opening"), Action.WAIT),
        (Moment(age_ms=205_000, quiet_ms=5_000, spare="listening"), Action.WAIT),
        (Moment(age_ms=205_000, quiet_ms=299, spare="warm"), Action.WAIT),
        (Moment(age_ms=205_000, quiet_ms=300, spare="warm"), Action.SWITCH),
        (Moment(age_ms=300_000, quiet_ms=0, spare="listening"), Action.SWITCH),
        (Moment(age_ms=225_000, spare="warm", spare_age_ms=20_000, spare_stale=True), Action.PRIME_ANEW),
        (Moment(age_ms=225_000, spare="warm", spare_age_ms=19_999, spare_stale=True), Action.WAIT),
        (Moment(age_ms=225_000, spare="warm", spare_age_ms=50_000, spare_stale=False), Action.WAIT),
        (Moment(age_ms=225_000, quiet_ms=300, spare="warm", spare_age_ms=50_000, spare_stale=True), Action.SWITCH),
    ],
)
def test_while_the_session_lives(moment: Moment, action: Action) -> None:
    assert decide(moment, POLICY) is action


@pytest.mark.parametrize(
    ("moment", "action"),
    [
        (Moment(age_ms=0, lost_ms=0, reconnects=1), Action.PRIME),
        (Moment(age_ms=0, lost_ms=0, reconnects=1, may_try=False), Action.PRIME),
        (Moment(age_ms=0, lost_ms=0, reconnects=0), Action.GIVE_UP),
        (Moment(age_ms=0, lost_ms=0, reconnects=0, spare="listening"), Action.SWITCH),
        (Moment(age_ms=0, lost_ms=4_999, reconnects=0, spare="opening"), Action.WAIT),
        (Moment(age_ms=0, lost_ms=5_000, reconnects=3, spare="opening"), Action.GIVE_UP),
        (Moment(age_ms=0, lost_ms=5_000, reconnects=3, spare="warm"), Action.SWITCH),
    ],
)
def test_when_it_is_lost(moment: Moment, action: Action) -> None:
    assert decide(moment, POLICY) is action


MOMENTS = st.builds(
    Moment,
    age_ms=st.floats(0, 500_000),
    quiet_ms=st.one_of(st.just(0.0), st.floats(0, 60_000)),
    spare=st.sampled_from(["none", "opening", "listening", "warm"]),
    spare_age_ms=st.floats(0, 100_000),
    spare_stale=st.booleans(),
    refresh=st.booleans(),
    may_try=st.booleans(),
    lost_ms=st.one_of(st.none(), st.floats(0, 20_000)),
    reconnects=st.integers(0, 3),
)


@given(moment=MOMENTS)
def test_laws(moment: Moment) -> None:
    action = decide(moment, POLICY)
    if action in (Action.SWITCH, Action.PRIME_ANEW):
        assert moment.spare in ("listening", "warm")
    if action is Action.PRIME:
        assert moment.spare == "none"
    if moment.lost_ms is None and moment.age_ms < POLICY.window_ms:
        assert action is not Action.GIVE_UP
    if moment.lost_ms is None and action is Action.SWITCH and moment.age_ms < POLICY.window_ms:
        assert moment.quiet_ms >= 300
    if moment.lost_ms is not None and moment.lost_ms >= POLICY.move_within_ms:
        assert action in (Action.GIVE_UP, Action.SWITCH)


@given(moment=MOMENTS.filter(lambda one: one.lost_ms is None and one.spare == "none"))
def test_a_model_without_a_window_is_left_alone(moment: Moment) -> None:
    assert decide(moment, NEVER) is Action.WAIT
    assert not is_due(moment.age_ms, refresh=moment.refresh, policy=NEVER)


def test_a_late_spare_has_the_time_to_listen() -> None:
    assert POLICY.prime_by_ms == 270_000
    assert RotationPolicy(rotate_after_ms=8_000, window_ms=10_000, connect_timeout_ms=30_000).prime_by_ms == 8_000
