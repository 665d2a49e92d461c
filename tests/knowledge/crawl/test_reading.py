"""Pages and sitemaps, read inside the sandbox."""

from __future__ import annotations

import gzip

import pytest

from apps.knowledge.crawl.page import read_page
from apps.knowledge.crawl.sitemap import MAX_SITEMAP_BYTES, read_sitemap
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.sandbox import read_page_safely, read_sitemap_safely

ADDRESS = "https://example.com/docs/page"
PAGE = """<!doctype html><html lang="de_at"><head><title>Öffnungszeiten</title>
<link rel="canonical" href="/docs/page/?utm_source=x"><base href="/docs/"></head><body>
<nav><a href="a">A</a></nav><main><h1>Öffnungszeiten</h1><p>Montag bis Freitag. {noise}</p>
<a href="b#top">B</a> <a href="https://other.example/">Other</a> <a href="c" rel="nofollow ugc">C</a>
<a href="mailto:x@y.example">Mail</a></main><script>var token = "{token}"</script></body></html>"""


def page(noise: str = "", token: str = "1") -> bytes:
    return PAGE.format(noise=noise, token=token).encode()


def test_a_page_tells_where_it_leads_and_what_it_is() -> None:
    found = read_page(page(), ADDRESS)
    assert found.title == "Öffnungszeiten"
    assert found.language == "de-AT"
    assert found.canonical == "https://example.com/docs/page/"
    assert found.links == ("https://example.com/docs/a", "https://example.com/docs/b", "https://other.example/")
    assert found.has_text


def test_only_words_count_as_a_change() -> None:
    """A token in a script does not make a page new every night."""
    first = read_page(page(), ADDRESS)
    assert read_page(page(token="2"), ADDRESS).text_hash == first.text_hash
    assert read_page(page(noise="Samstags auch."), ADDRESS).text_hash != first.text_hash


def test_a_page_may_ask_to_be_left_out() -> None:
    found = read_page(b'<meta name="ROBOTS" content="noindex,nofollow"><p>Text</p><a href="/a">A</a>', ADDRESS)
    assert found.no_index
    assert found.no_follow
    assert found.links == ()


def test_pages_and_sitemaps_cross_the_border_of_the_sandbox() -> None:
    """L-14: the parsers run in the process that may die."""
    assert read_page_safely(page(), ADDRESS) == read_page(page(), ADDRESS)
    sitemap = b"<urlset><url><loc>https://example.com/a</loc></url></urlset>"
    assert read_sitemap_safely(sitemap) == read_sitemap(sitemap)
    with pytest.raises(Unreadable, match="not a sitemap"):
        read_sitemap_safely(b"<html><body>404</body></html>")


def test_sitemaps_of_every_kind() -> None:
    spaced = (
        b'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url>'
        b"<loc> \nhttps://example.com/a?b=1&amp;c=2\n</loc><lastmod>2024-01-01</lastmod></url></urlset>"
    )
    assert read_sitemap(spaced).addresses == ("https://example.com/a?b=1&c=2",)
    index = b"<sitemapindex><sitemap><loc>https://example.com/1.xml.gz</loc></sitemap></sitemapindex>"
    assert read_sitemap(gzip.compress(index)).is_index
    assert read_sitemap(b"\xef\xbb\xbfhttps://example.com/a\n\nhttps://example.com/b\nnonsense").addresses == (
        "https://example.com/a",
        "https://example.com/b",
    )
    assert read_sitemap(spaced[:-9]).addresses == ("https://example.com/a?b=1&c=2",)


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"<urlset>" + b" " * (MAX_SITEMAP_BYTES + 10)),
        gzip.compress(b"<urlset/>")[:12] + b"broken",
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>',
        b"",
        b"\x00\x01",
    ],
    # Packed content holds the time, which would make each collection another.
    ids=["bomb", "cut off", "entities", "empty", "binary"],
)
def test_hostile_sitemaps_end_in_a_sentence(content: bytes) -> None:
    """L-13: bombs and entities."""
    with pytest.raises(Unreadable):
        read_sitemap(content)
