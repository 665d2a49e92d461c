"""Addresses in their normal form, and which of them are the same page."""

from __future__ import annotations

import pytest

from apps.knowledge.crawl.addresses import (
    MAX_ADDRESS,
    external_id_of,
    folder_of,
    identity,
    normalise,
    path_of,
    site_of,
)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("HTTPS://Example.COM:443/A#part", "https://example.com/A"),
        ("http://example.com", "http://example.com/"),
        ("http://example.com:8080/a/../b/./c", "http://example.com:8080/b/c"),
        ("https://example.com/%7euser/%e4%bd%a0", "https://example.com/~user/%E4%BD%A0"),
        ("https://example.com/ä b?q=ö", "https://example.com/%C3%A4%20b?q=%C3%B6"),
        ("https://example.com/?utm_source=x&id=3&gclid=9", "https://example.com/?id=3"),
        ("https://example.com/a?PHPSESSID=12&fbclid=1", "https://example.com/a"),
        ("https://example.com/a;jsessionid=4F?x=1", "https://example.com/a?x=1"),
        ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
        ("https://example.com/a\n b", "https://example.com/a%20b"),
        ("https://[2001:DB8::1]/", "https://[2001:db8::1]/"),
    ],
)
def test_an_address_has_one_normal_form(written: str, normal: str) -> None:
    assert normalise(written) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    "written",
    ["mailto:a@b.example", "javascript:alert(1)", "tel:12", "ftp://example.com/", "https://u:p@example.com/", "",
     "https://example.com:99999/", "https:///a", "https://exa mple.com/", "data:text/html,x", "http://[::1/",
     "https://example.com/" + "a" * MAX_ADDRESS],
)  # fmt: skip
def test_what_no_crawler_follows_has_none(written: str) -> None:
    assert normalise(written) is None


def test_links_are_read_relative_to_their_page() -> None:
    base = "https://example.com/docs/setup/"
    assert normalise("../api?x=1#top", base) == "https://example.com/docs/api?x=1"
    assert normalise("//other.example/a", base) == "https://other.example/a"
    assert normalise("#part", base) == base


def test_spellings_of_one_page_share_an_identity() -> None:
    spellings = ["https://www.example.com/docs/", "http://example.com/docs", "https://example.com/docs/"]
    assert {identity(address) for address in spellings} == {"example.com/docs"}
    assert identity("https://example.com/a?b=2&a=1") == identity("https://example.com/a?a=1&b=2")
    assert identity("https://example.com/") == identity("https://www.example.com/") == "example.com/"


def test_other_pages_do_not() -> None:
    different = ["https://example.com/a", "https://example.com/A", "https://example.com/a?x=1",
                 "https://example.com:8443/a", "https://docs.example.com/a"]  # fmt: skip
    assert len({identity(address) for address in different}) == len(different)


def test_parts_of_an_address() -> None:
    assert site_of("https://www.example.com:8443/a") == "example.com:8443"
    assert folder_of("https://example.com/docs/start.html") == "/docs/"
    assert folder_of("https://example.com/") == "/"
    assert path_of("https://example.com/a?b=1") == "/a?b=1"


def test_external_ids_fit_and_stay_apart() -> None:
    short, long = "https://example.com/a", "https://example.com/" + "b" * 900
    assert external_id_of(short) == "example.com/a"
    assert len(external_id_of(long)) <= 200
    assert external_id_of(long) != external_id_of(long + "c")
