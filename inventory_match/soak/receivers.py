"""A webhook receiver on a bad day: 500, 429 with Retry-After, silence, a reset connection, and hours of being away."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Self

from inventory_match.domain.errors import InvalidInput
from inventory_match.embedded.loopback import HOST
from inventory_match.webhooks.signing import verify

SILENCE_S = 2.0
"""Longer than the soak's senders wait."""
_MOODS = {"204": 0.6, "500": 0.15, "429": 0.1, "silence": 0.05, "reset": 0.1}


@dataclass(frozen=True, slots=True)
class Post:
    """One POST that arrived whole. `about` is its sku, or the key of a photo. `taken`: it was answered with 204."""

    message_id: str
    type: str
    about: str
    verified: bool
    taken: bool


class FaultyReceiver:
    """A context manager. It verifies every POST, whatever it then answers."""

    def __init__(self, secret: str, seed: int) -> None:
        self._secret = secret
        self._draw = Random(f"receiver {seed}")
        self._lock = threading.Lock()
        self._storm = True
        self.away = False
        """While True nobody is there: every connection is reset."""
        self.posts: list[Post] = []
        self.moods: Counter[str] = Counter()
        self._server = _Server((HOST, 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def calm(self) -> None:
        """From now on every POST is taken."""
        self._storm = self.away = False

    def mood(self) -> str:
        """What becomes of the next POST."""
        with self._lock:
            mood = "reset" if self.away else "204"
            if self._storm and not self.away:
                [mood] = self._draw.choices(list(_MOODS), list(_MOODS.values()))
            self.moods[mood] += 1
        return mood

    def take(self, headers: dict[str, str], body: bytes, mood: str) -> str:
        """Keep what came; the mood again, but 401 where it would be taken and is not verified."""
        told = json.loads(body)
        try:
            verify([self._secret], headers, body, datetime.now(UTC))
            verified = True
        except InvalidInput:
            verified = False
        mood = "401" if mood == "204" and not verified else mood
        about = str(told["data"].get("sku") or told["data"].get("key"))
        with self._lock:
            self.posts.append(Post(headers.get("webhook-id", ""), told["type"], about, verified, mood == "204"))
        return mood


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], receiver: FaultyReceiver) -> None:
        self.receiver = receiver
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Senders give up in the middle of an answer: nothing to say."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        mood = receiver.take({name.lower(): value for name, value in self.headers.items()}, body, receiver.mood())
        if mood in ("silence", "reset"):
            if mood == "silence":
                time.sleep(SILENCE_S)
            else:  # closing with a linger of nothing sends a reset instead of an end
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            self.close_connection = True
            return
        self.send_response_only(int(mood))
        if mood == "429":
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, _format: str, *_args: object) -> None:
        """Nothing: what came is kept."""
