"""Every class of address, every way to hide one in another, and Python's own opinion as an oracle."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.pipeline.media.addresses import classify, embedded, parse_networks

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "104.244.42.1", "2606:4700::1111", "2a00:1450:4001::200e", "2600::1"]

REFUSED = [
    ("0.0.0.0", "unspecified", "RFC 1122"),
    ("0.1.2.3", "this network", "RFC 1122"),
    ("10.0.0.1", "private", "RFC 1918"),
    ("172.16.0.1", "private", "RFC 1918"),
    ("172.31.255.255", "private", "RFC 1918"),
    ("192.168.1.1", "private", "RFC 1918"),
    ("100.64.0.1", "shared", "RFC 6598"),
    ("100.127.255.255", "shared", "RFC 6598"),
    ("127.0.0.1", "loopback", "RFC 1122"),
    ("127.255.255.254", "loopback", "RFC 1122"),
    ("169.254.169.254", "link-local", "RFC 3927"),  # every cloud's metadata service
    ("192.0.0.8", "protocol", "RFC 6890"),
    ("192.0.0.170", "protocol", "RFC 6890"),
    ("192.0.2.1", "documentation", "RFC 5737"),
    ("198.51.100.1", "documentation", "RFC 5737"),
    ("203.0.113.1", "documentation", "RFC 5737"),
    ("192.88.99.1", "6to4 relay", "RFC 7526"),
    ("198.18.0.1", "benchmarking", "RFC 2544"),
    ("198.19.255.255", "benchmarking", "RFC 2544"),
    ("224.0.0.1", "multicast", "RFC 5771"),
    ("239.255.255.250", "multicast", "RFC 5771"),
    ("240.0.0.1", "reserved", "RFC 1112"),
    ("255.255.255.255", "broadcast", "RFC 919"),
    ("::", "unspecified", "RFC 4291"),
    ("::1", "loopback", "RFC 4291"),
    ("fe80::1", "link-local", "RFC 4291"),
    ("fe80::1%eth0", "link-local", "RFC 4291"),
    ("fec0::1", "site-local", "RFC 3879"),
    ("fc00::1", "unique local", "RFC 4193"),
    ("fd00:ec2::254", "unique local", "RFC 4193"),  # a cloud's metadata service
    ("ff02::1", "multicast", "RFC 4291"),
    ("ff0e::1", "multicast", "RFC 4291"),
    ("100::1", "discard", "RFC 6666"),
    ("100:0:0:1::1", "dummy", "RFC 9780"),
    ("2001:db8::1", "documentation", "RFC 3849"),
    ("3fff::1", "documentation", "RFC 9637"),
    ("2001:2::1", "benchmarking", "RFC 5180"),
    ("2001:10::1", "ORCHID", "RFC 4843"),
    ("2001:20::1", "ORCHID", "RFC 7343"),
    ("2001:1::1", "protocol", "RFC 2928"),
    ("5f00::1", "segment routing", "RFC 9602"),
    ("4000::1", "outside global unicast", "RFC 4291"),
    ("200::1", "outside global unicast", "RFC 4291"),
    ("::ffff:10.0.0.1", "private", "RFC 1918"),
    ("::ffff:169.254.169.254", "link-local", "RFC 3927"),
    ("::127.0.0.1", "loopback", "RFC 1122"),
    ("::8.8.8.8", "deprecated", "RFC 4291"),
    ("::ffff:0:8.8.8.8", "IPv4-translated", "RFC 2765"),
    ("64:ff9b::10.0.0.1", "private", "RFC 1918"),
    ("64:ff9b::169.254.169.254", "link-local", "RFC 3927"),
    ("64:ff9b:1::1", "local NAT64", "RFC 8215"),
    ("64:ff9b:1:a00:0:100::", "local NAT64", "RFC 8215"),
    ("2002:7f00:1::1", "loopback", "RFC 1122"),
    ("2002:c0a8:101::", "private", "RFC 1918"),
    ("2001:0:808:808::f5ff:fffe", "private", "RFC 1918"),  # Teredo: client 10.0.0.1, inverted
    ("2001:0:a00:1::f7f7:f7f7", "private", "RFC 1918"),  # Teredo: server 10.0.0.1, client 8.8.8.8
    ("2600::5efe:10.0.0.1", "private", "RFC 1918"),
    ("2600::200:5efe:127.0.0.1", "loopback", "RFC 1122"),
    ("2600::300:5efe:127.0.0.1", "loopback", "RFC 1122"),
    ("2002:808:808::5efe:127.0.0.1", "loopback", "RFC 1122"),  # one way inside another
]

v4 = st.ip_addresses(v=4)
v6 = st.ip_addresses(v=6)

WAYS = {
    "mapped": lambda a: f"::ffff:{a}",
    "compatible": lambda a: f"::{a}",
    "translated": lambda a: f"::ffff:0:{a}",
    "nat64": lambda a: f"64:ff9b::{a}",
    "nat64 local": lambda a: f"64:ff9b:1::{a}",
    "6to4": lambda a: IPv6Address(0x2002 << 112 | int(a) << 80 | 1),
    "teredo client": lambda a: IPv6Address(0x20010000 << 96 | 0x08080808 << 64 | int(a) ^ 0xFFFFFFFF),
    "teredo server": lambda a: IPv6Address(0x20010000 << 96 | int(a) << 64 | 0xF7F7F7F7),
    "isatap": lambda a: f"2600::5efe:{a}",
    "isatap universal": lambda a: f"2600::200:5efe:{a}",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_fetchable(address):
    assert classify(ip_address(address)) is None


@pytest.mark.parametrize(("address", "reason", "rfc"), REFUSED)
def test_every_special_class_is_refused_by_name(address, reason, rfc):
    refusal = classify(ip_address(address))
    assert refusal is not None
    assert reason in str(refusal)
    assert rfc in refusal.rfc


def special_to_python(address):
    return not address.is_global or address.is_multicast or address.is_reserved


@given(address=st.one_of(v4, v6))
def test_nothing_python_holds_for_special_is_fetchable(address):
    carries = isinstance(address, IPv6Address) and (address.ipv4_mapped or list(embedded(address)))
    if classify(address) is None and not carries:
        assert not special_to_python(address)


@given(address=v4)
def test_no_ordinary_address_is_refused(address):
    relay_or_assignment = str(address).startswith(("192.88.99.", "192.0.0."))  # refused by our own choice
    if classify(address) is not None and not relay_or_assignment:
        assert special_to_python(address)


@pytest.mark.parametrize("way", WAYS)
@given(address=st.one_of(v4, st.sampled_from([IPv4Address(a) for a, _, _ in REFUSED if ":" not in a])))
def test_hiding_an_address_never_helps(way, address):
    if classify(address) is not None:
        assert classify(ip_address(str(WAYS[way](address)))) is not None


@pytest.mark.parametrize("way", ["mapped", "nat64", "6to4", "teredo client", "isatap"])
def test_a_public_address_may_travel_through_a_translator(way):
    assert classify(ip_address(str(WAYS[way](IPv4Address("8.8.8.8"))))) is None


@given(address=v6)
def test_what_an_address_carries_can_be_found_again(address):
    for _, inner in embedded(address):
        assert inner.packed in address.packed or bytes(b ^ 0xFF for b in inner.packed) in address.packed


@pytest.mark.parametrize(
    ("address", "networks", "fetchable"),
    [
        ("127.0.0.1", ["127.0.0.1/32"], True),
        ("127.0.0.2", ["127.0.0.1/32"], False),
        ("::ffff:127.0.0.1", ["127.0.0.1/32"], True),
        ("64:ff9b::127.0.0.1", ["127.0.0.1/32"], False),
        ("2002:7f00:1::1", ["127.0.0.0/8"], False),
        ("10.1.2.3", ["192.168.0.0/16", "10.1.0.0/16"], True),
        ("fd00::1", ["fd00::/8"], True),
        ("fd00::1", ["10.0.0.0/8"], False),
        ("::1", ["::1"], True),
    ],
)
def test_an_exemption_reaches_its_own_network_only(address, networks, fetchable):
    assert (classify(ip_address(address), parse_networks(networks)) is None) is fetchable


def test_a_wrong_network_is_named():
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/99"):
        parse_networks(["10.0.0.0/99"])


def test_the_reason_reads_as_a_sentence():
    assert (
        str(classify(ip_address("2002:a00:1::")))
        == "the 6to4 form (RFC 3056) of 10.0.0.1, a private address (RFC 1918)"
    )


@pytest.mark.parametrize("address", ["168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::a83f:8110"])
def test_a_clouds_own_public_address_is_refused(address):
    assert "cloud" in str(classify(ip_address(address)))


@pytest.mark.parametrize("address", ["8.8.4.4", "::ffff:8.8.4.4", "64:ff9b::808:404", "2002:808:404::1", "2600:1::5"])
def test_networks_refused_here_are_so_before_all_else(address):
    refused = parse_networks(["8.8.4.0/24", "2600:1::/32"])
    assert classify(ip_address(address)) is None
    assert "media.refused_networks" in str(classify(ip_address(address), parse_networks([address]), refused))
