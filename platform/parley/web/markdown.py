"""Text to HTML: the only function that does it (L-01).

Model, user and document text is Markdown without raw HTML, then an allow-list. Images become links, so
rendering fetches nothing from anywhere (L-02).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

_TAGS = {
    "p", "br", "hr", "strong", "em", "del", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "span", "div",
    "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
_ATTRIBUTES = {
    "a": {"href", "title"},
    "span": {"class"},
    "code": {"class"},
    "ol": {"start"},
    "div": {"class"},
}
_SCHEMES = {"http", "https", "mailto"}
_TAG = re.compile(r"(<[^>]+>)")
_OPAQUE = re.compile(r"</?(?:code|pre|a)\b")
_MARKER = re.compile(r"\[(\d{1,3})\]")
_MAX_HIGHLIGHTED = 20_000
_FORMATTER: HtmlFormatter[str] = HtmlFormatter(nowrap=True)


def render_markdown(text: str) -> SafeString:
    """Safe HTML of Markdown text written by anybody: a model, a visitor, a document.

    Links open elsewhere with `rel="noopener noreferrer nofollow"` and only to http, https and mailto.
    """
    html = _markdown().render(text)
    return mark_safe(  # noqa: S308 - this is the sanitiser's own output
        nh3.clean(
            html,
            tags=_TAGS,
            attributes=_ATTRIBUTES,
            url_schemes=_SCHEMES,
            link_rel="noopener noreferrer nofollow",
            set_tag_attribute_values={"a": {"target": "_blank"}},
        )
    )


def render_cited_markdown(text: str, titles: Mapping[int, str], anchor: str) -> SafeString:
    """The same for an answer: each marker `[n]` that has a title becomes a link to `#<anchor>-<n>`.

    Markers in code and inside links stay as they are. The sanitiser has escaped every `<` of the text, so what
    looks like a tag here is one.
    """
    parts = _TAG.split(str(render_markdown(text)))
    depth = 0
    for index, part in enumerate(parts):
        if index % 2:
            if _OPAQUE.match(part):
                depth += -1 if part.startswith("</") else 1
        elif not depth:
            parts[index] = _MARKER.sub(lambda match: _citation(match, titles, anchor), part)
    return mark_safe("".join(parts))  # noqa: S308 - sanitised above; titles are escaped


def _citation(match: re.Match[str], titles: Mapping[int, str], anchor: str) -> str:
    number = int(match.group(1))
    if number not in titles:
        return match.group()
    label = escape(f"Source {number}: {titles[number]}")
    return f'<a class="cite" href="#{escape(anchor)}-{number}" data-cite="{number}" title="{label}">{number}</a>'


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "highlight": _highlight, "breaks": True})
    parser.enable(["table", "strikethrough"])
    parser.add_render_rule("image", _image_as_link)
    return parser


def _highlight(code: str, language: str, attributes: str) -> str:
    if not language or len(code) > _MAX_HIGHLIGHTED:
        return ""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return ""
    highlighted: str = highlight(code, lexer, _FORMATTER)
    return highlighted


def _image_as_link(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    token = tokens[index]
    address: Any = token.attrs.get("src", "")
    label = token.content or str(address)
    return f'<a href="{escape(str(address))}">{escape(label)}</a>'
