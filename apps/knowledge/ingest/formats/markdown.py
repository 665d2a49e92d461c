"""Markdown by its syntax tree, so that a table stays a table and a `#` inside code is no heading."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from selectolax.lexbor import LexborHTMLParser

from apps.knowledge.ingest.blocks import BlockBuilder, ExtractedDocument, table_text
from apps.knowledge.ingest.formats.text import decode

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE)
_MAX_DEPTH = 40


def read_markdown(content: bytes) -> ExtractedDocument:
    """The document of a Markdown file; raw HTML in it counts by its text only."""
    source = decode(content)
    title = ""
    if front := _FRONT_MATTER.match(source):
        found = _FRONT_TITLE.search(front.group(1))
        title = found.group(1) if found else ""
        source = source[front.end() :]
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    builder = BlockBuilder()
    _add_children(builder, SyntaxTreeNode(parser.parse(source)), depth=0)
    return builder.finish(title)


def _add_children(builder: BlockBuilder, parent: SyntaxTreeNode, depth: int) -> None:
    for node in parent.children:
        _add_node(builder, node, depth)


def _add_node(builder: BlockBuilder, node: SyntaxTreeNode, depth: int) -> None:
    if node.type == "heading":
        builder.heading(_inline(node), int(node.tag[1:]))
    elif node.type == "paragraph":
        builder.add("paragraph", _inline(node))
    elif node.type in ("bullet_list", "ordered_list"):
        builder.add("list", "\n".join(_list_lines(node, "", depth)))
    elif node.type == "table":
        builder.add("table", table_text(_rows(node)))
    elif node.type in ("fence", "code_block"):
        builder.add("code", node.content)
    elif node.type == "html_block":
        builder.add("paragraph", _text_of_html(node.content))
    elif node.children and depth < _MAX_DEPTH:
        _add_children(builder, node, depth + 1)


def _inline(node: SyntaxTreeNode) -> str:
    return "".join(_inline_text(child) for child in node.children)


def _inline_text(node: SyntaxTreeNode) -> str:
    if node.type in ("text", "code_inline"):
        return node.content
    if node.type in ("softbreak", "hardbreak"):
        return "\n"
    if node.type == "html_inline":
        return ""
    return "".join(_inline_text(child) for child in node.children)


def _list_lines(node: SyntaxTreeNode, indent: str, depth: int) -> list[str]:
    lines: list[str] = []
    number = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
    for item in node.children:
        mark = "-" if number is None else f"{number}."
        lines.extend(_item_lines(item, mark, indent, depth))
        number = None if number is None else number + 1
    return lines


def _item_lines(item: SyntaxTreeNode, mark: str, indent: str, depth: int) -> list[str]:
    lines: list[str] = []
    inner = indent + "  "
    for child in item.children:
        if child.type in ("bullet_list", "ordered_list") and depth < _MAX_DEPTH:
            lines.extend(_list_lines(child, inner, depth + 1))
            continue
        text = _plain(child)
        lines.extend(inner + line for line in text.split("\n") if line.strip())
    if lines and not lines[0].lstrip().startswith(("- ", "1. ")):
        lines[0] = f"{indent}{mark} {lines[0].strip()}"
    return lines


def _plain(node: SyntaxTreeNode) -> str:
    if node.type in ("fence", "code_block"):
        return node.content
    if node.type == "html_block":
        return _text_of_html(node.content)
    if node.type == "table":
        return table_text(_rows(node))
    if node.type in ("paragraph", "heading"):
        return _inline(node)
    return "\n".join(_plain(child) for child in node.children)


def _rows(table: SyntaxTreeNode) -> list[list[str]]:
    return [[_inline(cell) for cell in row.children] for part in table.children for row in part.children]


def _text_of_html(source: str) -> str:
    body = LexborHTMLParser(source).body
    return "" if body is None else body.text(separator=" ")
