"""Web pages without what surrounds them: navigation, footers, scripts and anything hidden from the reader."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from apps.knowledge.ingest.blocks import BlockBuilder, ExtractedDocument, Unreadable, clean, table_text
from apps.knowledge.ingest.formats.text import decode

_DROPPED_TAGS = frozenset(
    re.findall(
        r"\w+",
        "script style noscript template iframe object embed svg math canvas audio video nav footer aside "
        "form button select textarea input dialog head link meta",
    )
)
_DROPPED_ROLES = frozenset(
    ["navigation", "banner", "contentinfo", "search", "complementary", "menu", "menubar", "dialog", "alert"]
)
_DROPPED_NAMES = re.compile(
    r"(?:^|[\s_-])(?:breadcrumbs?|cookies?|consent|sidebar|navbox|navbar|toc|noprint|mw-editsection|skip-link|"
    r"share|social|advert(?:isement)?|newsletter|pagination|sr-only|visually-hidden)(?:$|[\s_-])",
    re.IGNORECASE,
)
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d])", re.IGNORECASE
)
_BLOCK_TAGS = frozenset(
    re.findall(
        r"\w+",
        "address article blockquote body center dd details div dl dt fieldset figcaption figure header "
        "hgroup hr html legend li main menu ol p section summary ul table thead tbody tfoot tr td th "
        "caption pre h1 h2 h3 h4 h5 h6",
    )
)
_META_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w-]{2,40})", re.IGNORECASE)
_MAX_DEPTH = 150
# Elements that authors close; paragraphs, items and cells are often left open.
_CLOSED_TAG = re.compile(
    r"<(/?)(?:div|section|article|span|ul|ol|dl|table|blockquote|main|b|i|em|strong|font|a|form|center|big|small|sub|"
    r"sup|u|s|code|pre|details|fieldset|figure|button|object|svg)\b",
    re.IGNORECASE,
)
_MAX_OPEN = 5_000
_SPACE = re.compile(r"\s+")


def read_html(content: bytes) -> ExtractedDocument:
    """The document of a web page, of its main part alone where that is marked and holds much of the text."""
    source = _decode_html(content)
    _require_shallow(source)
    tree = LexborHTMLParser(source)
    title_node = tree.css_first("title")
    title = title_node.text() if title_node else ""
    walker = _Walker()
    body = _main_part(tree)
    if body is not None:
        walker.walk(body, 0)
        walker.flush()
    return walker.builder.finish(title)


def _require_shallow(source: str) -> None:
    """Raise `Unreadable` for nesting no page has: building its tree would take time by the square of its depth."""
    if source.count("<") <= _MAX_OPEN:
        return
    depth = 0
    for tag in _CLOSED_TAG.finditer(source):
        depth += -1 if tag.group(1) else 1
        depth = max(depth, 0)
        if depth > _MAX_OPEN:
            raise Unreadable("The page is nested too deeply to be read. Save it again in a simpler form.")


def _decode_html(content: bytes) -> str:
    declared = _META_CHARSET.search(content[:4096])
    if declared and not content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode(declared.group(1).decode("ascii"))
        except (LookupError, UnicodeDecodeError):
            pass
    return decode(content)


def _main_part(tree: LexborHTMLParser) -> LexborNode | None:
    body = tree.body
    if body is None:
        return tree.root
    candidates = tree.css("main, [role=main]") or tree.css("article")
    if len(candidates) != 1:
        return body
    main = candidates[0]
    return main if len(main.text(strip=True)) >= 0.3 * len(body.text(strip=True)) else body


def _is_dropped(node: LexborNode) -> bool:
    if node.tag in _DROPPED_TAGS:
        return True
    attributes = node.attributes
    if not attributes:
        return False
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return True
    if (attributes.get("role") or "") in _DROPPED_ROLES or _HIDDEN_STYLE.search(attributes.get("style") or ""):
        return True
    if node.tag in ("html", "body", "main", "article"):
        return False
    return bool(_DROPPED_NAMES.search(f"{attributes.get('class') or ''} {attributes.get('id') or ''}"))


@dataclass(slots=True)
class _Walker:
    """Walks the tree in order; loose inline text gathers until a block begins or ends."""

    builder: BlockBuilder = field(default_factory=BlockBuilder)
    _inline: list[str] = field(default_factory=list)

    def flush(self) -> None:
        """Close the paragraph of loose text that has gathered."""
        text = _collapse("".join(self._inline))
        self._inline.clear()
        self.builder.add("paragraph", text)

    def walk(self, node: LexborNode, depth: int) -> None:
        """Add everything below `node`; below the depth cap only its bare text."""
        for child in node.iter(include_text=True):
            self._visit(child, depth)

    def _visit(self, node: LexborNode, depth: int) -> None:
        tag = node.tag or ""
        if tag == "-text":
            self._inline.append(node.text_content or "")
        elif tag == "br":
            self._inline.append("\x00")
        elif tag.startswith("-") or tag == "_comment" or _is_dropped(node):
            return
        elif tag in _BLOCK_TAGS:
            self.flush()
            self._add_block(node, tag, depth)
            self.flush()
        elif tag == "img":
            self._inline.append(f" {node.attributes.get('alt') or ''} ")
        elif depth < _MAX_DEPTH:
            self.walk(node, depth + 1)
        else:
            self._inline.append(node.text())

    def _add_block(self, node: LexborNode, tag: str, depth: int) -> None:
        if tag[0] == "h" and tag[1:].isdigit():
            self.builder.heading(_text(node), int(tag[1:]))
        elif tag == "pre":
            self.builder.add("code", node.text())
        elif tag in ("ul", "ol", "menu"):
            self._add_list(node, depth)
        elif tag == "dl":
            self.builder.add("list", "\n".join(_definition_lines(node)))
        elif tag == "table":
            self._add_table(node, depth)
        elif depth < _MAX_DEPTH:
            self.walk(node, depth + 1)
        else:
            self._inline.append(node.text())

    def _add_list(self, node: LexborNode, depth: int) -> None:
        if node.css_first("h1, h2, h3, h4, pre, table") is not None and depth < _MAX_DEPTH:
            self.walk(node, depth + 1)
        else:
            self.builder.add("list", "\n".join(_list_lines(node, "", 0)))

    def _add_table(self, node: LexborNode, depth: int) -> None:
        caption = node.css_first("caption")
        if caption is not None:
            self.builder.add("paragraph", _text(caption))
        rows = _rows(node)
        is_layout = node.css_first("table table") is not None or max((len(row) for row in rows), default=0) <= 1
        if is_layout and depth < _MAX_DEPTH:
            for cell in node.css("td, th"):
                if _owning_table(cell) == node:
                    self.flush()
                    self.walk(cell, depth + 2)
            self.flush()
        else:
            self.builder.add("table", table_text(rows))


def _owning_table(cell: LexborNode) -> LexborNode | None:
    parent = cell.parent
    while parent is not None and parent.tag != "table":
        parent = parent.parent
    return parent


def _rows(table: LexborNode) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in table.css("tr"):
        if _owning_table(row) != table:
            continue
        cells: list[str] = []
        for cell in row.iter():
            if cell.tag in ("td", "th") and not _is_dropped(cell):
                cells.append(_text(cell))
                cells.extend([""] * (_span(cell) - 1))
        rows.append(cells)
    return rows


def _span(cell: LexborNode) -> int:
    value = cell.attributes.get("colspan") or "1"
    return min(int(value), 50) if value.isdecimal() and int(value) > 0 else 1


def _text(node: LexborNode) -> str:
    """All visible text below `node` on one line (line breaks kept where the page has them)."""
    parts: list[str] = []
    _gather(node, parts, 0)
    return _collapse("".join(parts))


def _gather(node: LexborNode, parts: list[str], depth: int) -> None:
    for child in node.iter(include_text=True):
        tag = child.tag or ""
        if tag == "-text":
            parts.append(child.text_content or "")
        elif tag == "br":
            parts.append("\x00")
        elif tag.startswith("-") or _is_dropped(child):
            continue
        elif depth < _MAX_DEPTH:
            space = " " if tag in _BLOCK_TAGS else ""
            parts.append(space)
            _gather(child, parts, depth + 1)
            parts.append(space)


def _collapse(text: str) -> str:
    """White space as a browser shows it; a NUL stands for a line break until here."""
    return clean(_SPACE.sub(" ", text).replace("\x00", "\n"))


def _list_lines(node: LexborNode, indent: str, depth: int) -> list[str]:
    lines: list[str] = []
    number = 1
    for item in node.iter():
        if _is_dropped(item):
            continue
        if item.tag in ("ul", "ol") and depth < _MAX_DEPTH:
            lines.extend(_list_lines(item, indent + "  ", depth + 1))
        elif item.tag == "li":
            mark = f"{number}." if node.tag == "ol" else "-"
            lines.extend(_item_lines(item, f"{indent}{mark} ", indent, depth))
            number += 1
    return lines


def _item_lines(item: LexborNode, mark: str, indent: str, depth: int) -> list[str]:
    parts: list[str] = []
    nested: list[str] = []
    for child in item.iter(include_text=True):
        tag = child.tag or ""
        if tag in ("ul", "ol") and depth < _MAX_DEPTH:
            nested.extend(_list_lines(child, indent + "  ", depth + 1))
        elif tag == "-text":
            parts.append(child.text_content or "")
        elif not tag.startswith("-") and not _is_dropped(child):
            parts.append(f" {_text(child)} " if tag in _BLOCK_TAGS else _text_keeping_edges(child))
    text = _collapse("".join(parts)).replace("\n", " ")
    return ([mark + text] if text else []) + nested


def _text_keeping_edges(node: LexborNode) -> str:
    parts: list[str] = []
    _gather(node, parts, 0)
    return _SPACE.sub(" ", "".join(parts).replace("\x00", " "))


def _definition_lines(node: LexborNode) -> list[str]:
    lines: list[str] = []
    for item in node.css("dt, dd"):
        text = _text(item).replace("\n", " ")
        if item.tag == "dt":
            lines.append(text)
        elif lines and not lines[-1].startswith("  "):
            lines[-1] = f"{lines[-1]}: {text}"
        else:
            lines.append(f"  {text}")
    return lines
