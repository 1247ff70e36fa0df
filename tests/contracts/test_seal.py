"""Every seal: what it closes only it opens, and only for its owner."""

from __future__ import annotations

import pytest

from nexus.adapters.aws import AwsStores, KmsSeal
from nexus.adapters.seal import AesSeal
from nexus.errors import StoreError
from nexus.ports.secrets import Seal
from tests.aws import AWS, aws, client

OURS = AesSeal(b"k" * 32)


@pytest.fixture(params=["aes", *AWS])
def seal(request: pytest.FixtureRequest) -> Seal:
    if request.param == "aes":
        return OURS
    stores = aws(request)
    key = client("kms", stores.connection.place.endpoint_url).create_key()["KeyMetadata"]["Arn"]
    return KmsSeal(stores.connection, key, OURS)


@pytest.mark.parametrize("text", ["", "s3cret", "ünï " * 1000])
async def test_a_text_comes_back_and_is_not_to_be_seen(seal: Seal, text: str) -> None:
    sealed = await seal.close("acme/secret/CRM", text)
    assert await seal.open("acme/secret/CRM", sealed) == text
    assert not text or text[:6] not in sealed
    assert sealed != await seal.close("acme/secret/CRM", text)


@pytest.mark.parametrize("owner", ["acme/secret/OTHER", "acme2/secret/CRM", "other", ""])
async def test_another_owner_opens_nothing(seal: Seal, owner: str) -> None:
    sealed = await seal.close("acme/secret/CRM", "s3cret")
    with pytest.raises(StoreError):
        await seal.open(owner, sealed)


@pytest.mark.parametrize("spoilt", ["", "v1:", "k1:", "k1:{}", "k1:[1]", 'k1:{"key":"AA==","body":"AA=="}', "v1:AAAA", "nonsense"])
async def test_what_is_no_seal_opens_nothing(seal: Seal, spoilt: str) -> None:
    with pytest.raises(StoreError):
        await seal.open("acme", spoilt)


@pytest.mark.parametrize("at", [-12, -30])
async def test_a_changed_seal_opens_nothing(seal: Seal, at: int) -> None:
    sealed = await seal.close("acme", "s3cret of some length")
    changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
    with pytest.raises(StoreError):
        await seal.open("acme", changed)


async def test_what_was_sealed_before_kms_still_opens(seal: Seal) -> None:
    assert await seal.open("acme", await OURS.close("acme", "old")) == "old"


async def test_without_the_key_nothing_is_sealed(moto_stores: AwsStores) -> None:
    lost = KmsSeal(moto_stores.connection, "alias/nothing-of-that-name", OURS)
    with pytest.raises(StoreError):
        await lost.close("acme", "s3cret")
