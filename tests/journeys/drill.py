"""The drill: many mixed files, some damaged or hostile, while workers are killed and the broker forgets everything.

For the suite at a small size and for `make bench ONLY=drill` at its full one.
"""

from __future__ import annotations

import csv
import io
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from xml.sax.saxutils import escape

import redis
from reportlab.pdfgen.canvas import Canvas

from apps.knowledge.ingest import limits
from tests.journeys.product import Outsider, Product, until
from tests.knowledge import files

FLAKY = "two"
_PARAGRAPH = "The keeper notes what it ate, how it slept and who came to see it. " * 4
_SENTENCE = "The animal of enclosure {number} answers to the name {word} and is fed at noon. " + _PARAGRAPH
_ENTITIES = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;%d</x>'
_ENDLESS = (
    b"%%PDF-1.4\n%% %d\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Count 5/Kids[2 0 R 2 0 R]>>endobj\ntrailer<</Root 1 0 R>>\n%%%%EOF"
)
_STATES = """
SELECT name, status, error, chunk_count FROM knowledge_document WHERE knowledge_base_id = %s AND deleted_at IS NULL
"""
_OPEN = "SELECT count(*) FROM knowledge_document WHERE knowledge_base_id = %s AND status NOT IN ('indexed', 'failed')"
_TURN = """
SELECT extract(epoch FROM started_at - created_at), extract(epoch FROM finished_at - started_at)
FROM jobs_job WHERE subject_id = %s AND state = 'done'
"""
_SPARED = "SELECT 1 FROM jobs_job WHERE state = 'running' AND (tries >= 3 OR group_id = %s)"
_BEFORE_IT = """
SELECT count(*) FROM jobs_job AS other JOIN jobs_job AS newcomer ON newcomer.subject_id = %s
WHERE other.group_id = %s AND other.started_at BETWEEN newcomer.created_at AND newcomer.started_at
"""


@dataclass(frozen=True, slots=True)
class DrillFile:
    """A file to upload. `word` is said in it and nowhere else; empty for a file that cannot be read."""

    name: str
    content: bytes
    word: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the drill ended with; times in seconds.

    `not_found` and `not_explained` name the files that did not end as they should. A newcomer's turn begins when a
    worker takes its job; `newcomer_wait` passes before, while `overtaken_by` jobs of the other organisation start.
    """

    seconds: float
    kills: int
    taken_over: int
    not_found: list[str]
    not_explained: list[str]
    newcomer_wait: float
    newcomer_turn: float
    overtaken_by: int


def mixed_files(good: int, bad: int, dice: random.Random) -> list[DrillFile]:
    """Files of many kinds in random order, each of them another."""
    made = [_good(number) for number in range(good)] + [_bad(number) for number in range(bad)]
    dice.shuffle(made)
    return made


def hold_drill(
    product: Product, acme: Outsider, globex: Outsider, uploads: Sequence[DrillFile], dice: random.Random
) -> Outcome:
    """Upload, kill, flush, and look at what became of every file. The workers run: `one`, and `FLAKY`."""
    started = time.monotonic()
    base = acme.create("/knowledge-bases/", name="Zoo")["id"]
    other = globex.create("/knowledge-bases/", name="Desk")["id"]
    refused: dict[str, str] = {}
    half = len(uploads) // 2
    with _killing(product, dice, newcomers_base=other) as kills:
        _upload_all(acme, base, uploads[:half], refused)
        newcomer = globex.upload(other, "desk.md", b"# Desk\n\nThe desk stands by the window.", "text/markdown")
        _upload_all(acme, base, uploads[half:], refused)
        with redis.Redis.from_url(product.valkey_url) as store:
            store.flushdb()
        _restart(product, newcomers_base=other)
        until(lambda: product.execute(_OPEN, base) == [(0,)], within=60 + 3 * len(uploads), every=0.3)
    seconds = time.monotonic() - started
    globex.until_indexed(newcomer)
    ((waited, took),) = product.execute(_TURN, newcomer)
    ((before_it,),) = product.execute(_BEFORE_IT, newcomer, base)
    ends = {name: (status, error) for name, status, error, _ in product.execute(_STATES, base)}
    ((taken_over,),) = product.execute("SELECT count(*) FROM jobs_job WHERE attempt > 1")
    return Outcome(
        seconds=seconds,
        kills=len(kills),
        taken_over=int(taken_over),
        not_found=[each.name for each in uploads if each.word and not _is_found(acme, base, each, ends)],
        not_explained=[each.name for each in uploads if not each.word and not _is_explained(each, ends, refused)],
        newcomer_wait=float(waited),
        newcomer_turn=float(took),
        overtaken_by=int(before_it),
    )


def _upload_all(acme: Outsider, base: str, uploads: Sequence[DrillFile], refused: dict[str, str]) -> None:
    for each in uploads:
        sent = {"file": (each.name, each.content, "application/octet-stream")}
        response = acme.http.post(f"/knowledge-bases/{base}/documents/", files=sent)
        if response.status_code != 201:
            refused[each.name] = f"{response.status_code}: {response.json().get('detail', '')}"


def _is_found(acme: Outsider, base: str, each: DrillFile, ends: dict[str, tuple[str, str]]) -> bool:
    if ends.get(each.name, ("", ""))[0] != "indexed":
        return False
    asked = {"query": f"Which animal is called {each.word}?", "limit": 3}
    found = acme.call("POST", f"/knowledge-bases/{base}/search/", status=200, json=asked)["passages"]
    return any(each.word in passage["text"] for passage in found)


def _is_explained(each: DrillFile, ends: dict[str, tuple[str, str]], refused: dict[str, str]) -> bool:
    """Refused at the door or failed, and a sentence says why: one about the file, not about a worker."""
    status, sentence = ends.get(each.name, ("", ""))
    if each.name in refused:
        status, _, sentence = refused[each.name].partition(": ")
    is_about_file = "ended without a word" not in sentence and "unexpected" not in sentence.lower()
    return status in ("failed", "400", "413") and sentence.endswith(".") and is_about_file


def _restart(product: Product, *, newcomers_base: str) -> None:
    """The whole flaky worker dies and another takes its place."""
    until(lambda: not _is_spared(product, newcomers_base), within=120, every=0.1)
    product.kill(FLAKY)
    product.start_worker(FLAKY, with_beat=False)


def _is_spared(product: Product, newcomers_base: str) -> bool:
    """Whether a job runs that must not be killed now.

    One that was killed twice counts as poison by the third time (C-05), however good it is. And a newcomer whose
    worker dies waits for its lease, which says nothing about whose turn it was.
    """
    return bool(product.execute(_SPARED, newcomers_base))


@contextmanager
def _killing(product: Product, dice: random.Random, *, newcomers_base: str) -> Iterator[list[float]]:
    """At random times the process that runs the flaky worker's jobs is killed; the list tells when."""
    stop = threading.Event()
    kills: list[float] = []

    def kill() -> None:
        while not stop.wait(dice.uniform(1.0, 5.0)):
            if not _is_spared(product, newcomers_base) and product.kill_a_child(FLAKY):
                kills.append(time.monotonic())

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield kills
    finally:
        stop.set()
        thread.join()


# -- files ----------------------------------------------------------------------------------------------
def _good(number: int) -> DrillFile:
    word = f"quagga{number:04d}"
    suffix, make = _KINDS[number % len(_KINDS)]
    return DrillFile(f"good-{number:04d}.{suffix}", make(_SENTENCE.format(number=number, word=word)), word)


def _pdf(sentence: str) -> bytes:
    target = io.BytesIO()
    canvas = Canvas(target, invariant=1)
    for line in range(0, len(sentence), 70):
        canvas.drawString(72, 760 - line // 5, sentence[line : line + 70].strip())
    canvas.save()
    return target.getvalue()


def _docx(sentence: str) -> bytes:
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    paragraph = f"<w:p><w:r><w:t>{escape(sentence)}</w:t></w:r></w:p>"
    return files.docx_with(f"<w:document {space}><w:body>{paragraph}</w:body></w:document>".encode())


def _csv(sentence: str) -> bytes:
    target = io.StringIO()
    csv.writer(target).writerows([["Note", "Keeper"], [sentence, "Ann"]])
    return target.getvalue().encode()


def _eml(sentence: str) -> bytes:
    message = EmailMessage()
    message["Subject"], message["From"] = "A note", "ann@example.org"
    message.set_content(sentence)
    return message.as_bytes()


_KINDS: list[tuple[str, Callable[[str], bytes]]] = [
    ("md", lambda sentence: f"# A note\n\n{sentence}\n".encode()),
    ("pdf", _pdf),
    ("html", lambda sentence: f"<html><body><main><h1>A note</h1><p>{sentence}</p></main></body></html>".encode()),
    ("docx", _docx),
    ("txt", lambda sentence: sentence.encode("utf-16")),
    ("csv", _csv),
    ("json", lambda sentence: json.dumps([{"title": "A note", "text": sentence}]).encode()),
    ("rtf", lambda sentence: b"{\\rtf1\\ansi " + sentence.encode() + b"}"),
    ("eml", _eml),
]


def _bad(number: int) -> DrillFile:
    suffix, make = _HOSTILE[number % len(_HOSTILE)]
    return DrillFile(f"bad-{number:04d}.{suffix}", make(number))


def _bomb(number: int) -> bytes:
    return files.docx_with(b"<a>" + b" " * (250 * limits.MEBIBYTE + number))


_HOSTILE: list[tuple[str, Callable[[int], bytes]]] = [
    ("docx", _bomb),
    ("pdf", lambda number: _ENDLESS % number),
    ("docx", lambda number: files.docx_with(_ENTITIES % number)),
    ("json", lambda number: b"[" * (500_000 + number)),
    ("docx", lambda number: files.docx_with(b"<w:document %d" % number)),
    ("xlsx", lambda number: files.docx_with(b"<a>%d</a>" % number, name="docProps/app.xml")),
    ("txt", lambda number: bytes(5_000 + number)),
    ("pptx", lambda number: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2_000 + number)),
    ("pdf", lambda number: files.pdf(1 + number)[:400]),
    ("md", lambda number: b"\x89PNG\r\n\x1a\n" + bytes([number % 256]) * 900),
]
