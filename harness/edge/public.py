"""Public addresses: what a stranger's name may lead a connection to."""

from __future__ import annotations

import ipaddress

GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that is routed (RFC 4291 section 2.4)
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are the IPv4 address that is meant


def is_public(address: str) -> bool:
    """Tell whether an address is globally routable, and so is the IPv4 address that it may embed."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast
    if ip.ipv4_mapped or ip in NAT64:
        return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)))
    if ip.sixtofour:
        return is_public(str(ip.sixtofour))
    return ip in GLOBAL_UNICAST and ip.is_global  # Teredo is not
