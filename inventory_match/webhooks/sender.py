"""One POST, bounded in every direction: where it goes, how long it takes, how much is read.

The name is resolved once, every address checked, and the connection made to exactly a checked address, so that a name
answering differently the second time gains nothing; Host header and TLS still speak of the name. There are no redirects and
no proxies. A socket's own timeout starts anew with every byte, so a watch beside it cuts the connection when the whole
exchange takes too long; that is why this stands on http.client and not on a pool, which keeps its sockets to itself.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection
from typing import Self

from inventory_match.domain.errors import AddressRefused, InvalidInput, ServiceUnavailable
from inventory_match.domain.text import printable
from inventory_match.webhooks.addresses import Address, Guard, Target, parse_url

MAX_ANSWER_BYTES = 4096
LONGEST_ERROR = 300
"""Characters: an answer that is no HTTP is quoted in the error, and not to be kept whole."""
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}  # the second: not on every system
_OURS = {"host", "connection", "content-length", "transfer-encoding"}

Resolver = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt: a status, or the error that stood in its way. `retry_after` is what the receiver asks."""

    status: int | None
    error: str | None
    duration_ms: int
    retry_after: timedelta | None = None

    @property
    def delivered(self) -> bool:
        """Only 2xx is success: a redirect is not followed."""
        return self.status is not None and 200 <= self.status < 300


class WebhookSender:
    """Posts to checked addresses only; safe to use from several threads.

    `timeout` bounds the connect and each silence, `total_timeout` the whole exchange, both in seconds; looking the name up
    comes before and is bounded by the system's resolver. `allow_private` are hosts, addresses or networks that may be
    called though they are not public, or by http. `ca_file` replaces the system's certificate authorities.
    """

    def __init__(
        self,
        timeout: float = 10.0,
        allow_private: Iterable[str] = (),
        *,
        total_timeout: float = 20.0,
        ca_file: str | None = None,
        resolve: Resolver | None = None,
        user_agent: str = "inventory-match",
    ) -> None:
        self._timeout = timeout
        self._total = total_timeout
        self._guard = Guard(allow_private)
        self._resolve = resolve or system_addresses
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._user_agent = user_agent

    def check_url(self, url: str) -> None:
        """For the moment a webhook is saved. Raises AddressRefused with the cure, ServiceUnavailable when DNS is silent."""
        self._addresses(parse_url(url))

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One attempt. Whatever the address or the receiver does is an Answer; headers that would inject raise InvalidInput."""
        _refuse_injection(headers)
        started = time.monotonic()
        try:
            target = parse_url(url)
            with _Exchange(self._addresses(target), target, self._timeout, self._total, self._tls) as exchange:
                status, retry_after = exchange.post({"user-agent": self._user_agent, **headers}, body)
        except (OSError, HTTPException, AddressRefused, ServiceUnavailable) as error:
            # Errors quote what the receiver sent, which may be anything; a little of it tells what speaks there.
            return Answer(None, printable(f"{type(error).__name__}: {error}")[:LONGEST_ERROR], _milliseconds(started))
        return Answer(status, None, _milliseconds(started), retry_after)

    def _addresses(self, target: Target) -> list[Address]:
        return self._guard.check(target, self._resolve(target.host, target.port))


def system_addresses(host: str, port: int) -> list[str]:
    """Every address the system's resolver knows, in its order of preference; empty where the name does not exist."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _NO_SUCH_NAME:
            return []
        raise ServiceUnavailable(f"no DNS answer for {host}: {error}") from error
    except UnicodeError:  # a label too long for DNS
        return []
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class _Exchange:
    """One connection to one of the checked addresses, cut when the total time is over."""

    def __init__(
        self, addresses: Sequence[Address], target: Target, timeout: float, total: float, tls: ssl.SSLContext
    ) -> None:
        self._addresses, self._target, self._timeout, self._total, self._tls = addresses, target, timeout, total, tls
        self._deadline = time.monotonic() + total
        self._late = threading.Event()

    def __enter__(self) -> Self:
        self._socket = self._connected()
        # A duplicate stays valid while TLS takes the first over; shutting it down ends both.
        self._line = self._socket.dup()
        self._watch = threading.Timer(max(self._deadline - time.monotonic(), 0), self._cut)
        self._watch.daemon = True
        self._watch.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._watch.cancel()
        self._watch.join()
        self._line.close()
        self._socket.close()
        if self._late.is_set() and isinstance(error, (OSError, HTTPException)):
            raise TimeoutError(f"no complete answer within {self._total:g} s") from error

    def post(self, headers: Mapping[str, str], body: bytes) -> tuple[int, timedelta | None]:
        """Status and Retry-After; the answer's body is read a little, for politeness, and dropped."""
        target = self._target
        if target.secure:
            self._socket = self._tls.wrap_socket(self._socket, server_hostname=target.host)
        kind = HTTPSConnection if target.secure else HTTPConnection
        connection = kind(target.host, target.port)
        connection.auto_open = 0  # never a second connection, to an address nobody checked
        connection.sock = self._socket
        with closing(connection):
            connection.request("POST", target.path, body, {**headers, "connection": "close"})
            answer = connection.getresponse()
            if self._late.is_set():  # http.client takes a head that was cut for one that ended
                raise TimeoutError
            with suppress(OSError, HTTPException):  # the status is the answer, however its body ends
                answer.read(MAX_ANSWER_BYTES)
            return answer.status, _retry_after(answer.headers)

    def _connected(self) -> socket.socket:
        error: OSError = TimeoutError(f"no connection within {self._total:g} s")
        for address in self._addresses:
            left = self._deadline - time.monotonic()
            if left <= 0:
                break
            try:
                connected = socket.create_connection((str(address), self._target.port), min(self._timeout, left))
            except OSError as refused:
                error = refused
            else:
                connected.settimeout(self._timeout)
                return connected
        raise error

    def _cut(self) -> None:
        self._late.set()
        with suppress(OSError):  # closed a moment ago
            self._line.shutdown(socket.SHUT_RDWR)


def _refuse_injection(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
            raise InvalidInput(f"{name!r} is not a header a webhook may set", key="headers")
        if not _HEADER_VALUE.fullmatch(value):
            raise InvalidInput("the value holds more than printable ASCII", key=f"headers.{name}")


def _retry_after(headers: HTTPMessage) -> timedelta | None:
    """Seconds, or a date: then counted from the answer's own Date, so that a receiver's wrong clock cancels out."""
    asked = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", asked):
        return timedelta(seconds=int(asked))
    try:
        return max(parsedate_to_datetime(asked) - parsedate_to_datetime(headers.get("Date", "")), timedelta(0))
    except (TypeError, ValueError):  # absent, no date, or one of the two without a zone
        return None


def _milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
