"""The guard: what a webhook may call, and what each refusal tells its reader to do."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_match.domain.errors import AddressRefused, ConfigurationError
from inventory_match.webhooks.addresses import Guard, Target, is_public, parse_url
from inventory_match.webhooks.sender import WebhookSender

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::", "64:ff9b::808:808"]
PRIVATE = [
    "127.0.0.1", "127.255.0.9", "10.1.2.3", "172.16.0.1", "192.168.1.1",  # loopback, private
    "169.254.169.254", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "168.63.129.16",  # link-local, cloud metadata
    "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "239.1.1.1", "ff02::1", "ff0e::1",  # shared, multicast
    "192.0.2.1", "198.18.0.1", "240.0.0.1", "2001:db8::1", "fec0::1", "fc00::1", "::", "::1",  # reserved
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::7f00:1",  # IPv4 inside IPv6
    "2002:7f00:1::", "2002:a00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2001:0:1::1",  # tunnels
    "::ffff:0:7f00:1", "3fff::1", "192.88.99.1", "5f00::1", "::ffff:0:0", "100::1",  # translated, nowhere
]  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", PRIVATE)
def test_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_however_it_is_written(address: object) -> None:
    plain = ip_address(str(address))
    for written in (f"::ffff:{plain}", f"64:ff9b::{plain}", f"2002:{int(plain) >> 16:x}:{int(plain) & 0xFFFF:x}::"):
        assert is_public(ip_address(written)) == is_public(plain), written


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://Shop.Example./hook?a=1#x", Target(True, "shop.example", 443, "/hook?a=1")),
        ("http://shop.example:8080", Target(False, "shop.example", 8080, "/")),
        ("https://[2606:4700::1111]/", Target(True, "2606:4700::1111", 443, "/")),
    ],
)
def test_urls(url: str, target: Target) -> None:
    assert parse_url(url) == target


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("", "printable ASCII"),
        ("https://shop.example/a b", "printable ASCII"),
        ("https://shop.example/\r\nHost: x", "printable ASCII"),
        ("https://shop.example\\@10.0.0.1/", "printable ASCII"),
        ("https://bücher.example/", "percent-encode"),
        ("https://shop.example/" + "a" * 2048, "at most 2048"),
        ("ftp://shop.example/", "write https://"),
        ("file:///etc/passwd", "write https://"),
        ("https:///hook", "write https://"),
        ("shop.example/hook", "write https://"),
        ("https://me:secret@shop.example/", "credentials do not belong"),
        ("https://@shop.example/", "credentials do not belong"),
        ("https://shop.example:99999/", "not a URL"),
        ("https://shop.example:0/", "port 0"),
        ("https://[::1/", "not a URL"),
    ],
)
def test_not_a_webhook_url(url: str, cure: str) -> None:
    with pytest.raises(AddressRefused, match=cure):
        parse_url(url)


def check(url: str, resolved: list[str], allow: list[str]) -> None:
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return resolved

    WebhookSender(allow_private=allow, resolve=resolve).check_url(url)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("url", "resolved", "allow"),
    [
        ("https://shop.example/", ["8.8.8.8", "2606:4700::1111"], []),
        ("https://erp.shop.example/", ["10.0.0.7"], ["ERP.shop.example."]),
        ("https://erp.shop.example/", ["10.0.0.7"], ["10.0.0.0/24"]),
        ("https://erp.shop.example/", ["10.0.0.7", "8.8.8.8"], ["10.0.0.7"]),
        ("https://erp.shop.example/", ["::ffff:10.0.0.7"], ["10.0.0.0/24"]),
        ("http://localhost:8080/", ["127.0.0.1", "::1"], ["localhost"]),
        ("http://127.0.0.1:8080/", ["127.0.0.1"], ["127.0.0.0/8"]),
    ],
)
def test_allowed(url: str, resolved: list[str], allow: list[str]) -> None:
    check(url, resolved, allow)


@pytest.mark.parametrize(
    ("url", "resolved", "allow", "cure"),
    [
        ("https://shop.example/", [], [], "check its spelling"),
        ("https://shop.example/", ["10.0.0.7"], [], "add the host or network to the webhook allowlist"),
        ("https://shop.example/", ["8.8.8.8", "10.0.0.7"], [], "shop.example is at 10.0.0.7"),
        ("https://shop.example/", ["10.0.0.7"], ["erp.shop.example", "10.0.1.0/24"], "webhook allowlist"),
        ("https://evil.localhost/", ["127.0.0.1"], ["localhost"], "webhook allowlist"),
        ("https://erp.shop.example/", ["169.254.169.254"], ["erp.shop.example"], "not a public address"),
        ("https://erp.shop.example/", ["::ffff:a9fe:a9fe"], ["erp.shop.example"], "not a public address"),
        ("https://erp.shop.example/", ["10.0.0.7", "fd00:ec2::254"], ["erp.shop.example"], "at fd00:ec2::254"),
        ("http://shop.example/", ["8.8.8.8"], [], "use https"),
        ("http://shop.example/", ["10.0.0.7", "8.8.8.8"], ["10.0.0.0/24"], "use https"),
    ],
)
def test_refused_with_its_cure(url: str, resolved: list[str], allow: list[str], cure: str) -> None:
    with pytest.raises(AddressRefused, match=cure):
        check(url, resolved, allow)


@pytest.mark.parametrize("entry", ["", "*.shop.example", "10.0.0.0/33", "http://erp", "a b"])
def test_an_allowlist_entry_that_is_none(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="allowlist"):
        Guard([entry])


@given(st.ip_addresses(v=6))
def test_of_ipv6_only_global_unicast_and_what_leads_to_ipv4_can_be_public(address: object) -> None:
    six = ip_address(str(address))
    carries_ipv4 = any(six in ip_network(net) for net in ("::/96", "::ffff:0:0/96", "64:ff9b::/96"))
    assert not is_public(six) or six in ip_network("2000::/3") or carries_ipv4
