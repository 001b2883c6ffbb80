"""What a sandbox may reach: a list of hosts, and which addresses their names may stand for.

A name is looked up by the proxy, never by the sandbox, and whoever owns a name decides what it
stands for. So an answer counts only when it is an address of the public internet: neither this
machine, nor the networks around it, nor where clouds hand out keys. Such an address is reached only
when the list names the address itself.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z")
_LONGEST_NAME = 253

# Public addresses that are a cloud's own inside of it: Azure's, which hands out keys.
_CLOUDS_OWN = frozenset({ipaddress.ip_address("168.63.129.16")})
_UNICAST = ipaddress.ip_network("2000::/3")  # what is assigned of IPv6's public addresses
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # NAT64: an IPv4 address in the last 32 bits


class BadHost(ValueError):
    """What is no host: neither a name nor an address."""


def read_host(text: str) -> str | Address:
    """A host as it is compared: an address, or a name in lower case without its last dot.

    Raises BadHost. Addresses in forms that only libc reads (127.1, 0x7f000001) are no hosts.
    """
    host = text.lower()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if "%" in host:
        raise BadHost("it names a network interface")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    host = host.removesuffix(".")
    labels = host.split(".")
    if len(host) > _LONGEST_NAME or not all(_LABEL.match(label) for label in labels):
        raise BadHost("it is neither a name nor an address")
    if _NUMBER.match(labels[-1]):
        raise BadHost("it is neither a name nor an address: no name ends with a number")
    return host


@dataclass(frozen=True)
class _Entry:
    host: str | Address  # of a wildcard what follows the *, with its dot
    is_wildcard: bool
    ports: frozenset[int]

    def covers(self, host: str | Address, port: int) -> bool:
        if port not in self.ports:
            return False
        if self.is_wildcard:
            return isinstance(host, str) and host.endswith(str(self.host))
        return host == self.host


class AllowedHosts:
    """One sandbox's list. Entries are pairs of a host ("example.org", "*.example.org", "10.0.0.5")
    and its ports, checked by whoever read the option."""

    def __init__(self, entries: list[tuple[str, list[int]]]) -> None:
        self._entries = [self._read(host, ports) for host, ports in entries]

    @staticmethod
    def _read(host: str, ports: list[int]) -> _Entry:
        if host.startswith("*."):
            return _Entry(f".{read_host(host[2:])}", True, frozenset(ports))
        return _Entry(read_host(host), False, frozenset(ports))

    def allows(self, host: str | Address, port: int) -> bool:
        return any(entry.covers(host, port) for entry in self._entries)

    def may_be_reached(self, address: Address, port: int) -> bool:
        """Whether an address that was found, or asked for, may be connected to."""
        return self.allows(address, port) or is_public(address)


def is_public(address: Address) -> bool:
    """Whether everybody on the internet means the same thing by this address."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return is_public(inner)
        return address.is_global and address in _UNICAST
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and address not in _CLOUDS_OWN
    )


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that what is sent to this one ends up at."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
