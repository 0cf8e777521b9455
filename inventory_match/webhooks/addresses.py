"""Which addresses a webhook may go to, pure: the guard against being sent into our own network.

A receiver's address is written by whoever may add a webhook, and its name is answered by whoever runs its DNS. So only
globally routable addresses are called, however they are written (IPv4 inside IPv6, 6to4, NAT64), and only by https. An
allowlist of host names and networks lets a shop call its own systems; for those http is enough. The addresses at which a
cloud hands out credentials are reached by a network on that list alone, never by a name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from inventory_match.domain.errors import AddressRefused, ConfigurationError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")
_NOWHERE = tuple(map(ipaddress.ip_network, ("3fff::/20", "192.88.99.0/24")))
"""For documentation, and for relays that no longer are; not every version of Python knows them as such."""
_METADATA = tuple(map(ipaddress.ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "168.63.129.16/32")))
"""Where clouds answer every machine of theirs with its credentials."""
_CLOUD_INTERNAL = (ipaddress.IPv4Address("168.63.129.16"),)  # Azure's host: publicly numbered, internally answered
_MAX_URL = 2048


@dataclass(frozen=True, slots=True)
class Target:
    """A webhook URL taken apart: `path` carries the query, `host` is lower case without brackets or final dot."""

    secure: bool
    host: str
    port: int
    path: str


def parse_url(url: str) -> Target:
    """Raises AddressRefused with the cure where the URL is not a plain http(s) address."""
    if not re.fullmatch(rf"[\x21-\x5b\x5d-\x7e]{{1,{_MAX_URL}}}", url):
        raise AddressRefused(f"not a URL of at most {_MAX_URL} printable ASCII characters: percent-encode the others")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused(f"not a URL: {error}") from error
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in ("http", "https") or not host:
        raise AddressRefused("not an http address: write https://host/path")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("credentials do not belong in a URL: receivers know us by the signature")
    if port == 0:
        raise AddressRefused("port 0 is no port")
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(secure, host, port or (443 if secure else 80), path)


class Guard:
    """Says which addresses a target may have. Entries of `allow` are host names, IP addresses or networks (CIDR)."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._hosts: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in allow:
            try:
                self._networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError as error:
                host = entry.lower().rstrip(".")
                if not re.fullmatch(r"[a-z0-9_]([a-z0-9_.\-]*[a-z0-9])?", host):
                    raise ConfigurationError(f"webhook allowlist: {entry!r} is no host, address or network") from error
                self._hosts.add(host)

    def check(self, target: Target, resolved: Sequence[str]) -> list[Address]:
        """All addresses the host has, none of which may be refused. Raises AddressRefused with the cure."""
        addresses = [ipaddress.ip_address(text) for text in resolved]
        if not addresses:
            raise AddressRefused(f"{target.host} has no address: check its spelling")
        # A name is trusted with our own network, never with what hands out our credentials: its DNS may be another's.
        named = target.host in self._hosts
        allowed = [self._is_allowed(one) or (named and not _in(_METADATA, one)) for one in addresses]
        for address, listed in zip(addresses, allowed, strict=True):
            if not listed and not is_public(address):
                raise AddressRefused(
                    f"{target.host} is at {address}, which is not a public address: "
                    "if it is yours and meant, add the host or network to the webhook allowlist"
                )
        if not target.secure and not all(allowed):
            raise AddressRefused(f"http to {target.host} can be read on the way: use https, or add it to the allowlist")
        return addresses

    def _is_allowed(self, address: Address) -> bool:
        return _in(self._networks, address)


def is_public(address: Address) -> bool:
    """Whether an address is globally routable, judged by the IPv4 address it leads to where one is inside it."""
    end = _leads_to(address)
    if (isinstance(end, ipaddress.IPv6Address) and end.is_site_local) or _in(_NOWHERE, end):
        return False
    return end.is_global and not (end.is_multicast or end.is_reserved) and end not in _CLOUD_INTERNAL


def _in(networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network], address: Address) -> bool:
    return any(_leads_to(address) in network for network in networks)


def _leads_to(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inside = address.ipv4_mapped or address.sixtofour
    if inside is None and (address in _NAT64 or (address in _IPV4_COMPATIBLE and int(address) > 1)):
        inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)  # :: and ::1 are addresses of their own
    return inside or address
