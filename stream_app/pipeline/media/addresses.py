"""Which IP addresses an image may be fetched from: public ones, and nothing that only looks public.

The tables follow IANA's special-purpose registries (RFC 6890, updated by RFC 8190) rather than ``ipaddress.is_global``,
whose answer changes between Python releases. An IPv6 address that carries an IPv4 one is judged by what it carries:
a translator or tunnel on the way would deliver there. Addresses are classified here and never dialled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an address is not fetched from: ``reason`` reads after "is", ``rfc`` is the document that says so."""

    reason: str
    rfc: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.rfc})"


# First match wins, so the narrow ones stand before the wide ones that hold them.
_REFUSED_V4: tuple[tuple[IPv4Network, Refusal], ...] = tuple(
    (IPv4Network(network), Refusal(reason, rfc))
    for network, reason, rfc in (
        ("0.0.0.0/32", "the unspecified address", "RFC 1122"),
        ("0.0.0.0/8", "an address of this network", "RFC 1122"),
        ("10.0.0.0/8", "a private address", "RFC 1918"),
        ("100.64.0.0/10", "a carrier's shared address", "RFC 6598"),
        ("127.0.0.0/8", "a loopback address", "RFC 1122"),
        ("168.63.129.16/32", "a cloud's own address (Azure's wire server)", "Microsoft Learn"),
        ("169.254.0.0/16", "a link-local address", "RFC 3927"),
        ("172.16.0.0/12", "a private address", "RFC 1918"),
        ("192.0.0.0/24", "an address for protocol assignments", "RFC 6890"),
        ("192.0.2.0/24", "a documentation address", "RFC 5737"),
        ("192.88.99.0/24", "a 6to4 relay, deprecated", "RFC 7526"),
        ("192.168.0.0/16", "a private address", "RFC 1918"),
        ("198.18.0.0/15", "a benchmarking address", "RFC 2544"),
        ("198.51.100.0/24", "a documentation address", "RFC 5737"),
        ("203.0.113.0/24", "a documentation address", "RFC 5737"),
        ("224.0.0.0/4", "a multicast address", "RFC 5771"),
        ("255.255.255.255/32", "the broadcast address", "RFC 919"),
        ("240.0.0.0/4", "a reserved address", "RFC 1112"),
    )
)

_REFUSED_V6: tuple[tuple[IPv6Network, Refusal], ...] = tuple(
    (IPv6Network(network), Refusal(reason, rfc))
    for network, reason, rfc in (
        ("::/128", "the unspecified address", "RFC 4291"),
        ("::1/128", "a loopback address", "RFC 4291"),
        ("::/96", "an IPv4-compatible address, deprecated", "RFC 4291"),
        ("::ffff:0:0:0/96", "an IPv4-translated address, local to its translator", "RFC 2765"),
        ("64:ff9b:1::/48", "a local NAT64 address", "RFC 8215"),
        ("100::/64", "a discard address", "RFC 6666"),
        ("100:0:0:1::/64", "a dummy address", "RFC 9780"),
        ("2001:2::/48", "a benchmarking address", "RFC 5180"),
        ("2001:10::/28", "an ORCHID, not an address", "RFC 4843"),
        ("2001:20::/28", "an ORCHID, not an address", "RFC 7343"),
        ("2001::/23", "an address for protocol assignments", "RFC 2928"),
        ("2001:db8::/32", "a documentation address", "RFC 3849"),
        ("3fff::/20", "a documentation address", "RFC 9637"),
        ("5f00::/16", "a segment routing id, not an address", "RFC 9602"),
        ("fc00::/7", "a unique local address", "RFC 4193"),
        ("fe80::/10", "a link-local address", "RFC 4291"),
        ("fec0::/10", "a site-local address, deprecated", "RFC 3879"),
        ("ff00::/8", "a multicast address", "RFC 4291"),
    )
)

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_MAPPED = IPv6Network("::ffff:0:0/96")
_COMPATIBLE = IPv6Network("::/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_ISATAP = 0x00005EFE
_ISATAP_FLAGS = 0x03000000  # the universal/local and group bits of the interface id may be anything


def _bits(address: IPv6Address, shift: int) -> IPv4Address:
    return IPv4Address(int(address) >> shift & 0xFFFFFFFF)


def embedded(address: IPv6Address) -> Iterator[tuple[str, IPv4Address]]:
    """Every IPv4 address that an IPv6 address carries, each with the name of the way it is carried and its RFC."""
    if address in _COMPATIBLE and int(address) > 1:
        yield "the IPv4-compatible form (RFC 4291)", _bits(address, 0)
    if address in _NAT64:
        yield "the NAT64 form (RFC 6052)", _bits(address, 0)
    if address in _SIX_TO_FOUR:
        yield "the 6to4 form (RFC 3056)", _bits(address, 80)
    if address in _TEREDO:  # the client's address is stored inverted so that NATs don't rewrite it
        yield "the Teredo form (RFC 4380)", IPv4Address(int(_bits(address, 0)) ^ 0xFFFFFFFF)
        yield "the Teredo form, by its server, (RFC 4380)", _bits(address, 64)
    if int(_bits(address, 32)) & ~_ISATAP_FLAGS == _ISATAP:
        yield "the ISATAP form (RFC 5214)", _bits(address, 0)


REFUSED_HERE = Refusal("in a network that is refused here", "media.refused_networks")


def classify(address: Address, allowed: Sequence[Network] = (), refused: Sequence[Network] = ()) -> Refusal | None:
    """Why ``address`` may not be fetched from, or None when it may.

    ``refused`` networks are so before all else, also where an address only carries one of theirs.
    ``allowed`` networks are exempt. An IPv4-mapped IPv6 address is its IPv4 address for every purpose; an exemption
    does not reach through the other forms, because there it is a stranger's translator that would be trusted.
    """
    if isinstance(address, IPv6Address) and address in _MAPPED:
        address = _bits(address, 0)
    carried = [inner for _, inner in embedded(address)] if isinstance(address, IPv6Address) else []
    if any(each in network for network in refused for each in (address, *carried)):
        return REFUSED_HERE
    if any(address in network for network in allowed):
        return None
    if isinstance(address, IPv4Address):
        return next((refusal for network, refusal in _REFUSED_V4 if address in network), None)
    return _classify_v6(address)


def _classify_v6(address: IPv6Address) -> Refusal | None:
    for form, inner in embedded(address):
        if refusal := classify(inner):
            return Refusal(f"{form} of {inner}, {refusal.reason}", refusal.rfc)
    if address in _NAT64 or address in _TEREDO:
        return None  # special-purpose themselves, and what they carry is public
    for network, refusal in _REFUSED_V6:
        if address in network:
            return refusal
    return None if address in _GLOBAL_UNICAST else Refusal("outside global unicast space", "RFC 4291")


def parse_networks(networks: Sequence[str]) -> tuple[Network, ...]:
    """Read networks in CIDR form, host bits ignored.

    Raises:
        ValueError: one of them is no network; the message names it.
    """
    return tuple(ip_network(network, strict=False) for network in networks)
