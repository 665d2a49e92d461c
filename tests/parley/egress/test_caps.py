"""What an answer may cost: size, time, redirects, unpacked bytes, kinds (L-11)."""

from __future__ import annotations

import time

import pytest

from parley.egress.allowance import Allowance
from parley.egress.client import USER_AGENT, EgressClient, fetch
from parley.egress.errors import EgressFailed
from tests.parley.egress.conftest import Site

HTML = ["text/html"]


def test_a_page_is_fetched_under_the_operators_setting(site: Site, settings: object) -> None:
    settings.PARLEY_EGRESS_ALLOW = [f"127.0.0.1:{site.port}"]  # type: ignore[attr-defined]
    page = fetch(site.url("/page"), accept=HTML, max_bytes=1000, headers={"X-Own": "1", "Host": "evil.example"})
    assert (page.status, page.content_type, page.charset) == (200, "text/html", "utf-8")
    assert (page.content.decode(), page.etag, page.redirected_from) == ("grüß", '"one"', ())
    sent = site.asked[0][1]
    assert (sent["user-agent"], sent["x-own"], sent["host"]) == (USER_AGENT, "1", f"127.0.0.1:{site.port}")
    again = fetch(site.url("/page"), accept=HTML, max_bytes=1000, etag=page.etag, last_modified=page.last_modified)
    assert (again.status, again.content) == (304, b"")


def test_an_answer_that_is_no_page_is_told_without_its_body(site: Site, client: EgressClient) -> None:
    missing = client.fetch(site.url("/missing"), accept=HTML, max_bytes=1000)
    assert (missing.status, missing.content) == (404, b"")


def test_proxies_and_cookies_are_not_taken_along(
    site: Site, canary: Site, client: EgressClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, canary.url(""))
    client.fetch(site.url("/hop/1"), accept=HTML, max_bytes=1000)
    assert canary.connections == 0
    assert [path for path, _ in site.asked] == ["/hop/1", "/page"]
    assert all("cookie" not in sent for _, sent in site.asked)


def test_l11_three_redirects_are_followed_and_a_fourth_is_not(site: Site, client: EgressClient) -> None:
    page = client.fetch(site.url("/hop/3"), accept=HTML, max_bytes=1000)
    assert page.url == site.url("/page")
    assert page.redirected_from == tuple(site.url(f"/hop/{number}") for number in (3, 2, 1))
    site.asked.clear()
    with pytest.raises(EgressFailed) as failure:
        client.fetch(site.url("/hop/4"), accept=HTML, max_bytes=1000)
    assert (failure.value.reason, len(site.asked)) == ("redirects", 4)


def test_a_callers_headers_stay_with_the_first_server(site: Site, canary: Site) -> None:
    allowed = EgressClient(Allowance.parse([f"127.0.0.1:{site.port}", f"127.0.0.1:{canary.port}"]))
    site.elsewhere = canary.url("/page")
    allowed.fetch(site.url("/away"), accept=HTML, max_bytes=1000, headers={"Authorization": "Bearer key"})
    assert "authorization" in site.asked[0][1]
    assert "authorization" not in canary.asked[0][1]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/large/10001", "too_large"),
        ("/unannounced", "too_large"),
        ("/bomb", "too_large"),
        ("/twice", "encoding"),
        ("/cut", "encoding"),
        ("/binary", "content_type"),
        ("/untyped", "content_type"),
    ],
)
def test_l11_an_answer_that_does_not_fit_is_not_read(site: Site, client: EgressClient, path: str, reason: str) -> None:
    with pytest.raises(EgressFailed) as failure:
        # The bomb is 49 kB on the wire: only its unpacked size is too large.
        client.fetch(site.url(path), accept=HTML, max_bytes=100_000 if path == "/bomb" else 10_000)
    assert failure.value.reason == reason
    assert failure.value.detail.endswith(".")


def test_l11_the_cap_itself_still_fits(site: Site, client: EgressClient) -> None:
    assert len(client.fetch(site.url("/large/10000"), accept=["text/*"], max_bytes=10_000).content) == 10_000


@pytest.mark.parametrize("path", ["/drip", "/silent"])
def test_l11_a_slow_server_ends_at_the_deadline(site: Site, client: EgressClient, path: str) -> None:
    started = time.monotonic()
    with pytest.raises(EgressFailed) as failure:
        client.fetch(site.url(path), accept=HTML, max_bytes=1000, total_seconds=0.4)
    assert failure.value.reason == "timeout"
    assert time.monotonic() - started < 1.5


def test_l11_a_name_server_that_never_answers_ends_at_the_deadline() -> None:
    def never(host: str, port: int) -> list[object]:
        time.sleep(2)
        return []

    with pytest.raises(EgressFailed) as failure:
        EgressClient(Allowance(), resolve=never).fetch(  # type: ignore[arg-type]
            "http://slow.example/", accept=HTML, max_bytes=1000, total_seconds=0.2
        )
    assert failure.value.reason == "timeout"
