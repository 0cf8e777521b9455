"""The sender and TLS: the connection goes to the checked address, the certificate has to be the name's."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from inventory_match.webhooks.sender import Answer, WebhookSender


def post(host: str, port: int, *, timeout: float = 5.0, total: float = 5.0, ca_file: str | None = None) -> Answer:
    sender = WebhookSender(
        timeout, ["127.0.0.1"], total_timeout=total, ca_file=ca_file, resolve=lambda _host, _port: ["127.0.0.1"]
    )
    return sender.post(f"https://{host}:{port}/", {"webhook-id": "msg_1"}, b"{}")


def certificate(folder: Path, host: str) -> ssl.SSLContext:
    """A self-signed certificate for `host` in folder/cert.pem, and a server context that shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    signed = built.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "cert.pem").write_bytes(signed.public_bytes(pem))
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def test_tls_speaks_of_the_name_and_verifies_it(listen: Callable[..., Any], tmp_path: Path) -> None:
    context = certificate(tmp_path, "shop.example")
    asked: list[str | None] = []
    context.sni_callback = lambda _line, name, _context: asked.append(name)
    listener = listen(lambda line, _: line.sendall(b"HTTP/1.1 204 No Content\r\n\r\n"), context)
    trusted = str(tmp_path / "cert.pem")

    assert post("shop.example", listener.port, ca_file=trusted).status == 204
    assert asked == ["shop.example"]
    assert f"Host: shop.example:{listener.port}".encode() in listener.requests[0]
    for answer, cause in [
        (post("other.example", listener.port, ca_file=trusted), "Hostname mismatch"),
        (post("shop.example", listener.port), "CERTIFICATE_VERIFY_FAILED"),
    ]:
        assert answer.error is not None
        assert cause in answer.error
    assert len(listener.requests) == 1


def test_a_slow_handshake_is_cut_at_the_total_bound() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        before = time.monotonic()
        answer = post("shop.example", silent.getsockname()[1], total=0.5)
    assert time.monotonic() - before < 1.5
    assert answer.error == "TimeoutError: no complete answer within 0.5 s"
