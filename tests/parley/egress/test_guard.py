"""Addresses that people name leave through `parley.egress` alone (L-09)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_CLIENTS = {"httpx", "httpcore", "requests", "urllib3", "aiohttp", "socket", "pycurl", "ftplib", "telnetlib"}
_CLIENT_MODULES = {"urllib.request", "http.client"}

# Reviewed: why each may open or name connections by itself.
_REVIEWED = {
    "platform/parley/egress/client.py": "the way out itself",
    "platform/parley/egress/connection.py": "the way out itself",
    "platform/parley/embedded/valkey.py": "waits for the Valkey this machine starts",
    "platform/parley/embedded/ports.py": "finds free ports on loopback",
    "platform/parley/embedded/application.py": "asks its own web processes whether they are ready",
    "platform/parley/jobs/claims.py": "asks for this machine's own name, connects to nothing",
    "platform/parley/llm/backends/openai_dialect.py": "providers, each address checked by the gateway before a call",
    "platform/parley/llm/backends/connections.py": "providers' connections, as above",
    "platform/parley/llm/backends/json_call.py": "embedders and rerankers of providers, addresses checked as above",
    "platform/parley/llm/backends/openai_embeddings.py": "the time it allows `json_call`, opens nothing itself",
    "apps/gateway/routing/addresses.py": "reads old spellings of IP addresses, connects to nothing",
    "apps/gateway/services/addresses.py": "looks up providers' names to judge them, connects to nothing",
    "apps/knowledge/ingest/ocr.py": "talks to its own text-recognising process over a socket pair",
    "apps/knowledge/ingest/ocr_process.py": "the other end of that pair",
    "apps/knowledge/ingest/sandbox.py": "talks to its own parsing process over a socket pair",
    "apps/knowledge/ingest/sandbox_fork.py": "its process and that one's forks, over socket pairs",
    "apps/knowledge/ingest/sandbox_process.py": "takes the network away from the parsing process",
}


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _reaches_out(source: str) -> bool:
    names = set(_imported(ast.parse(source)))
    return any(name.partition(".")[0] in _CLIENTS or name in _CLIENT_MODULES for name in names)


def test_l09_only_reviewed_modules_open_connections_by_themselves() -> None:
    """L-09: a new client elsewhere fails here, and so does a reviewed line that is no longer needed."""
    found = {
        str(path.relative_to(ROOT))
        for top in ("platform", "apps")
        for path in (ROOT / top).rglob("*.py")
        if _reaches_out(path.read_text())
    }
    assert found == set(_REVIEWED)


def test_the_guard_sees_every_way_to_import_a_client() -> None:
    for source in (
        "import httpx",
        "from urllib import request",
        "import urllib.request as u",
        "from http import client",
    ):
        assert _reaches_out(source), source
    assert _reaches_out("def f():\n    from aiohttp import ClientSession")
    assert not _reaches_out("from urllib.parse import urlsplit\nfrom http import HTTPStatus")
