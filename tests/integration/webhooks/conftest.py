"""A TCP server that answers as its script says, for everything a receiver may do wrong."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

Script = Callable[[socket.socket, bytes], None]


class Listener:
    """A TCP server on loopback that reads one request a connection and then does what its script says."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self._script = script
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?shop=1"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, suppress(OSError):  # what the sender does to the line is its own business
                line = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
                with line:
                    request = self._read(line)
                    self.requests.append(request)
                    self._script(line, request)

    @staticmethod
    def _read(line: socket.socket) -> bytes:
        data = b""
        while chunk := line.recv(65536):
            data += chunk
            head, end, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            if end and length and len(body) >= int(length[1]):
                break
        return data

    def close(self) -> None:
        with suppress(OSError):  # some systems do not shut down a socket that only listens; closing it is enough there
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(timeout=5)


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    opened: list[Listener] = []

    def start(script: Script, tls: ssl.SSLContext | None = None) -> Listener:
        opened.append(Listener(script, tls))
        return opened[-1]

    yield start
    for listener in opened:
        listener.close()
