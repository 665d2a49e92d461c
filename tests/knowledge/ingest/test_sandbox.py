"""A file can hurt only the process that reads it (L-13, L-14, L-15)."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from apps.knowledge.ingest import limits
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.extract import extract
from apps.knowledge.ingest.sandbox import Sandbox, SandboxLimits
from tests.knowledge import files


def _wait_until_it_holds_at_most(descriptors: int, process: psutil.Process) -> None:
    deadline = time.monotonic() + 10
    while (held := len(list(Path(f"/proc/{process.pid}/fd").iterdir()))) > descriptors:
        assert time.monotonic() < deadline, f"it holds {held} descriptors"
        time.sleep(0.01)


def _server(sandbox: Sandbox) -> psutil.Process:
    sandbox.extract(b"warm", "a.txt")
    assert sandbox._process is not None
    return psutil.Process(sandbox._process.pid)


@pytest.mark.parametrize(
    ("content", "name"), [(files.MARKDOWN, "a.md"), (files.pdf(3), "a.pdf"), (files.docx(), "a.docx"), (files.HTML, "")]
)
def test_the_sandbox_reads_as_well_as_the_reader(sandbox: Sandbox, content: bytes, name: str) -> None:
    assert sandbox.extract(content, name) == extract(content, name)


def test_a_sentence_crosses_the_border(sandbox: Sandbox) -> None:
    with pytest.raises(Unreadable, match="damaged"):
        sandbox.extract(b"%PDF-1.7 nothing of the kind", "a.pdf")


def test_the_process_knows_no_secret(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_SECRET_KEY", "canary-value")
    environment = _server(sandbox).environ()
    assert not {"PARLEY_SECRET_KEY", "DATABASE_URL", "VALKEY_URL"} & environment.keys()


def test_too_slow_is_a_sentence_and_the_next_file_is_read() -> None:
    sandbox = Sandbox(SandboxLimits(wall_seconds=0.05))
    try:
        with pytest.raises(Unreadable, match="too long"):
            sandbox.extract(files.long_markdown(30_000), "a.md")
    finally:
        sandbox.close()


def test_too_much_memory_is_a_sentence() -> None:
    sandbox = Sandbox(SandboxLimits(address_space_bytes=96 * limits.MEBIBYTE))
    try:
        with pytest.raises(Unreadable, match=r"too much memory|made its reader fail"):
            sandbox.extract(b"word " * 4_000_000, "a.txt")
        assert sandbox.extract(b"small", "a.txt").blocks[0].text == "small"
    finally:
        sandbox.close()


def test_a_crash_is_a_failed_document_not_a_failed_worker(sandbox: Sandbox) -> None:
    """L-14: the parser dies by a segmentation fault; the worker gets a sentence and reads on."""
    server = _server(sandbox)
    waiting = server.children()
    outcome: list[str] = []

    def read() -> None:
        try:
            sandbox.extract(files.long_markdown(60_000), "a.md")
        except Unreadable as problem:
            outcome.append(problem.sentence)

    reader = threading.Thread(target=read)
    reader.start()
    # The fork that waited reads; as soon as it does, another waits.
    deadline = time.monotonic() + 10
    while set(server.children()) <= set(waiting) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(waiting[-1].pid, signal.SIGSEGV)
    reader.join(20)
    assert len(outcome) == 1
    assert "made its reader fail" in outcome[0]
    assert sandbox.extract(b"still here", "a.txt").blocks[0].text == "still here"


def test_a_killed_process_is_replaced(sandbox: Sandbox) -> None:
    first = _server(sandbox)
    first.kill()
    assert sandbox.extract(b"again", "a.txt").blocks[0].text == "again"


def test_the_process_ends_with_its_owner(sandbox: Sandbox) -> None:
    server = _server(sandbox)
    assert sandbox._connection is not None
    sandbox._connection.close()
    server.wait(5)
    assert not server.is_running()


def test_a_compression_bomb_is_not_unpacked(sandbox: Sandbox) -> None:
    """L-13: 300 MB of blanks inside a file of 300 kB; refused within seconds."""
    bomb = files.docx_with(b" " * (300 * limits.MEBIBYTE))
    assert len(bomb) < limits.MEBIBYTE
    started = time.monotonic()
    with pytest.raises(Unreadable, match="compression bomb"):
        sandbox.extract(bomb, "a.docx")
    assert time.monotonic() - started < 10


def test_entities_are_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    """L-15: neither a billion laughs nor a file of the server."""
    secret = tmp_path / "secret"
    secret.write_text("canary-value")
    laughs = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file://%s">]><w:document>&x;</w:document>' % str(secret).encode()
    with pytest.raises(Unreadable, match="entities"):
        sandbox.extract(files.docx_with(laughs), "a.docx")


def test_a_pdf_of_a_hundred_thousand_pages_is_refused(sandbox: Sandbox) -> None:
    """L-13: the page cap holds before any page is read."""
    kids = b"3 0 R " * 100_000
    content = (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 100000/Kids[" + kids + b"]>>"
        b"endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
    )
    with pytest.raises(Unreadable, match=r"pages|damaged"):
        sandbox.extract(content, "a.pdf")


def test_the_fork_can_neither_connect_nor_write(tmp_path: Path) -> None:
    """L-14: the audit hook of the fork refuses sockets, processes and files opened for writing."""
    import subprocess
    import sys

    script = f"""
from apps.knowledge.ingest import sandbox_process as s
s._confine(dict(cpu_seconds=5, address_space_bytes=2**30))
import socket, subprocess
refused = 0
for act in (socket.socket, lambda: subprocess.Popen(["true"]), lambda: open({str(tmp_path / "x")!r}, "w")):
    try:
        act()
    except PermissionError:
        refused += 1
print(refused)
"""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "3"


def test_each_file_is_read_by_a_fork_that_waited_for_it_and_holds_nothing_of_others(sandbox: Sandbox) -> None:
    """L-14: whatever a file does to its reader, the next file meets another, which has no other's bytes open."""
    server = _server(sandbox)
    readers = []
    for number in range(3):
        waiting = max(server.children(), key=psutil.Process.create_time)
        # The standard three, its line, its pipe, and its line to the text recognition; the rest is closed at once.
        _wait_until_it_holds_at_most(6, waiting)
        sandbox.extract(f"file {number}".encode(), "a.txt")
        waiting.wait(5)
        readers.append(waiting.pid)
    assert len(set(readers)) == 3
