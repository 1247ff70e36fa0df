"""Which addresses the platform lets a tenant send it to."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.domain.outbound import is_loopback, is_public, target_fault

PRIVATE_V4 = [
    "0.0.0.0",  # noqa: S104 (an address to refuse)
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
]
PRIVATE_V6 = ["::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "64:ff9b:1::808:808"]
WRAPPINGS = ["::ffff:{}", "64:ff9b::{}", "::{}"]


@pytest.mark.parametrize("address", [*PRIVATE_V4, *PRIVATE_V6, "", "crm.example.com", "1.2.3", "127.1"])
def test_what_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PRIVATE_V4)
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_private_address_inside_a_longer_one(address: str, wrapping: str) -> None:
    assert not is_public(wrapping.format(address))


@pytest.mark.parametrize("address", PRIVATE_V4)
def test_a_private_address_inside_6to4_and_teredo(address: str) -> None:
    number = int(ipaddress.IPv4Address(address))
    assert not is_public(str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80))))
    assert not is_public(str(ipaddress.IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF))))


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_what_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_stays_what_it_is_in_every_wrapping(address: ipaddress.IPv4Address) -> None:
    for wrapping in WRAPPINGS[:2]:
        assert is_public(wrapping.format(address)) == is_public(str(address))


@pytest.mark.parametrize(("address", "own"), [("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("localhost", False)])
def test_this_very_machine(address: str, own: bool) -> None:
    assert is_loopback(address) is own


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example.com",
        "https://crm.example.com/",
        "https://crm.example.com:443/a?b=c",
        "https://crm.example.com:8443/",
        "https://93.184.215.14/",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
        "https://xn--bcher-kva.example/",
    ],
)
def test_what_can_be_a_target(url: str) -> None:
    assert target_fault(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "crm.example.com",
        "//crm.example.com/",
        "http://crm.example.com/",
        "ftp://crm.example.com/",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://user@crm.example.com/",
        "https://user:word@crm.example.com/",
        "https://good.example@127.0.0.1/",
        "https://crm.example.com#@127.0.0.1/",
        "https://crm.example.com\\@127.0.0.1/",
        "https://crm.example.com/ x",
        "https://crm.example.com/\r\nx",
        "https://crm.example.com:22/",
        "https://crm.example.com:0/",
        "https://crm.example.com:99999/",
        "https://crm..example.com/",
        "https://-/",
        "https://b\u00fccher.example/",
        "https://crm.example.com\u3002/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://10.0.0.1./",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[fe80::1%25eth0]/",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://a.localhost/",
        "https://metadata.google.internal/",
        "https://printer.local/",
        "https://x.com/" + "a" * 2000,
    ],
)
def test_what_can_be_no_target(url: str) -> None:
    assert target_fault(url)


def test_any_port_where_that_is_allowed() -> None:
    assert target_fault("https://crm.example.com:9000/", ports=None) == ""
