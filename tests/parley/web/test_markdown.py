"""The one function that turns text into HTML."""

from __future__ import annotations

import pytest
from selectolax.lexbor import LexborHTMLParser

from parley.web.markdown import render_markdown
from tests.parley.web.xss_payloads import PAYLOADS

HARMLESS_TAGS = {
    "html", "head", "body", "p", "br", "hr", "strong", "em", "del", "s", "code", "pre", "blockquote", "ul", "ol", "li",
    "a", "span", "div", "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


def test_the_corpus_is_large_enough() -> None:
    """L-01 asks for at least 300 payloads."""
    assert len(set(PAYLOADS)) >= 300


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_a_stranger_writes_becomes_active(payload: str) -> None:
    """L-01, L-02, A-18: only harmless tags and attributes, only web addresses, nothing that loads by itself."""
    tree = LexborHTMLParser(str(render_markdown(payload)))
    for node in tree.css("*"):
        assert node.tag in HARMLESS_TAGS
        for name, value in node.attributes.items():
            assert name in {"href", "title", "class", "start", "rel", "target"}, (name, value)
            if name == "href":
                assert (value or "").lower().startswith(("http://", "https://", "mailto:")), value


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bold** and *soft*", "<p><strong>bold</strong> and <em>soft</em></p>"),
        ("1. one\n2. two", "<ol>\n<li>one</li>\n<li>two</li>\n</ol>"),
        ("a\nb", "<p>a<br>\nb</p>"),
        ("| a |\n|---|\n| 1 |", "<table>"),
        ("```python\nprint(1)\n```", '<span class="nb">print</span>'),
        ("2 < 3 & 4 > 1", "<p>2 &lt; 3 &amp; 4 &gt; 1</p>"),
    ],
)
def test_what_people_write_looks_as_they_meant(text: str, html: str) -> None:
    assert html in render_markdown(text)


def test_links_leave_without_handing_over_the_page() -> None:
    html = render_markdown("[docs](https://example.com)")
    assert 'rel="noopener noreferrer nofollow"' in html
    assert 'target="_blank"' in html


def test_an_image_is_a_link_that_loads_nothing() -> None:
    """L-02."""
    html = render_markdown("![a chart](https://example.com/c.png)")
    assert "<img" not in html
    assert ">a chart</a>" in html
