"""Loopback: whether a host is this machine and none else."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine; a name other than localhost may be anywhere (127.0.0.1.shop.example)."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
