"""Every maker of ids: prefixed, well formed, sorted by making."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from nexus.adapters.identifiers import UlidIds
from nexus.domain.ids import check_call_id


def test_ids_sort_as_they_were_made_also_within_one_millisecond() -> None:
    ids = UlidIds()
    made = [ids.new("call") for _ in range(5000)]
    assert made == sorted(set(made))
    for one in made[::500]:
        assert check_call_id(one) == one


def test_threads_never_share_an_id() -> None:
    ids = UlidIds()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: ids.new("lead"), range(4000)))
    assert len(set(made)) == 4000
    assert all(one.startswith("lead_") for one in made)
