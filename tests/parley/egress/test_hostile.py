"""No form of a private address makes Parley connect (L-10)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import httpcore
import pytest

from parley.egress.addresses import judge_url
from parley.egress.allowance import Allowance
from parley.egress.client import EgressClient
from parley.egress.errors import EgressFailed, EgressRefused
from parley.egress.networks import Address, objection_to_address
from tests.parley.egress.conftest import Site
from tests.parley.egress.hostile import hostile_urls

PUBLIC = ip_address("93.184.216.34")


class Dialler(httpcore.NetworkBackend):
    """Writes down who would be called, and lets nobody answer."""

    def __init__(self) -> None:
        self.dialled: list[tuple[str, int]] = []

    def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        self.dialled.append((host, port))
        raise httpcore.ConnectError("nobody there")


class Resolver:
    """Gives each look-up its next answer, as a name server with a time to live of 0 may."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked += 1
        return [ip_address(text) for text in self.answers.pop(0)]


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(set(hostile_urls())) >= 120


def test_l10_every_hostile_address_is_refused_and_nothing_is_connected_to(canary: Site) -> None:
    """L-10: with the real dialler, 0 connections reach a listener on loopback; nothing is even looked up."""
    resolver = Resolver()
    client = EgressClient(Allowance(), resolve=resolver)
    let_through = []
    for template in hostile_urls():
        url = template.replace("PORT", str(canary.port))
        try:
            client.fetch(url, accept=["text/html"], max_bytes=1000, total_seconds=1)
        except EgressRefused as refusal:
            if not refusal.detail.endswith("."):
                let_through.append((url, "refused without a sentence"))
            continue
        except Exception as error:
            let_through.append((url, repr(error)))
            continue
        let_through.append((url, "answered"))
    assert let_through == []
    assert (canary.connections, resolver.asked) == (0, 0)


@pytest.mark.parametrize(
    "path", ["http://127.0.0.1:PORT/page", "http://2130706433:PORT/", "//[::1]:PORT/", "file:///x"]
)
def test_l10_a_redirect_to_a_private_address_is_refused(
    site: Site, canary: Site, client: EgressClient, path: str
) -> None:
    site.elsewhere = path.replace("PORT", str(canary.port))
    with pytest.raises(EgressRefused):
        client.fetch(site.url("/away"), accept=["text/html"], max_bytes=1000)
    assert (len(site.asked), canary.connections) == (1, 0)


def test_l10_only_the_judged_address_is_dialled_when_the_name_changes_its_mind() -> None:
    """L-10: a name that is public when judged and loopback a moment later is looked up once."""
    dialler, resolver = Dialler(), Resolver(["93.184.216.34"], ["127.0.0.1"])
    client = EgressClient(Allowance(), resolve=resolver, dialler=dialler)
    with pytest.raises(EgressFailed):
        client.fetch("https://site.example/", accept=["text/html"], max_bytes=1000)
    assert (dialler.dialled, resolver.asked) == ([(str(PUBLIC), 443)], 1)
    with pytest.raises(EgressRefused):
        client.fetch("https://site.example/", accept=["text/html"], max_bytes=1000)
    assert len(dialler.dialled) == 1


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.8", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1"])
def test_l10_one_private_address_among_public_ones_spoils_the_name(inside: str) -> None:
    dialler = Dialler()
    client = EgressClient(Allowance(), resolve=Resolver([str(PUBLIC), inside]), dialler=dialler)
    with pytest.raises(EgressRefused):
        client.fetch("https://site.example/", accept=["text/html"], max_bytes=1000)
    assert dialler.dialled == []


def test_an_operator_opens_a_network_or_a_server_but_never_the_clouds_metadata() -> None:
    allowance = Allowance.parse(["10.0.0.0/8", "169.254.0.0/16", "wiki.intern:8080", "[::1]:9000"])
    for url in ("http://10.1.2.3/", "http://wiki.intern:8080/", "http://[::1]:9000/"):
        judge_url(url, allowance)
    for url in ("http://10.1.2.3:8080/", "http://11.1.2.3:9000/", "http://169.254.169.254/", "http://[::1]/"):
        with pytest.raises(EgressRefused):
            judge_url(url, allowance)
    dialler = Dialler()
    client = EgressClient(allowance, resolve=Resolver(["169.254.169.254"]), dialler=dialler)
    with pytest.raises(EgressRefused):
        client.fetch("http://wiki.intern:8080/", accept=["text/html"], max_bytes=1000)
    with pytest.raises(ValueError, match="PARLEY_EGRESS_ALLOW"):
        Allowance.parse(["wiki.intern"])


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTPS://Www.Example.COM:443/a b".replace(" ", "%20"), "https://www.example.com/a%20b"),
        ("http://münchen.example/straße?q=ü#x", "http://xn--mnchen-3ya.example/stra%C3%9Fe?q=%C3%BC"),
        ("http://example.com.:80", "http://example.com/"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("http://my_host.example:443/", "http://my_host.example:443/"),
    ],
)
def test_public_addresses_pass_in_one_normal_form(url: str, normal: str) -> None:
    assert judge_url(url, Allowance()).url == normal


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_ip_addresses_pass(text: str) -> None:
    assert objection_to_address(ip_address(text)) is None


def test_the_certificate_is_asked_for_by_name_although_an_address_is_dialled() -> None:
    asked: list[str | None] = []

    class Stream(httpcore.NetworkStream):
        def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: Any = None) -> Any:
            asked.append(server_hostname)
            assert ssl_context.check_hostname
            raise httpcore.ConnectError("far enough")

        def close(self) -> None:
            pass

    class Answering(Dialler):
        def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
            self.dialled.append((host, port))
            return Stream()

    dialler = Answering()
    client = EgressClient(Allowance(), resolve=Resolver([str(PUBLIC)]), dialler=dialler)
    with pytest.raises(EgressFailed):
        client.fetch("https://site.example/", accept=["text/html"], max_bytes=1000)
    assert (asked, dialler.dialled) == (["site.example"], [(str(PUBLIC), 443)])
