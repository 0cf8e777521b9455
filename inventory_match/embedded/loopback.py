"""Ports on 127.0.0.1. Everything embedded listens there and nowhere else."""

from __future__ import annotations

import secrets
import socket

from inventory_match.domain.errors import ConfigurationError

HOST = "127.0.0.1"
# Below the range from which Linux and macOS take the ports of outgoing connections, so that nothing slips in between
# our look and the server's bind except another program that picks by chance.
_LOWEST, _HIGHEST = 15_000, 32_000


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what ended a second ago does not hold it
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose_port(wanted: int | None, *, name: str) -> int:
    """`wanted` when it is free (ConfigurationError when not), else any free port."""
    if wanted is None:
        return next(
            port for port in iter(lambda: _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST), None) if is_free(port)
        )
    if not is_free(wanted):
        raise ConfigurationError(f"port {wanted} for {name} is in use on {HOST}; give another, or none for a free one")
    return wanted
