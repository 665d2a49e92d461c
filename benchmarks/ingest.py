"""How fast documents become text and text becomes searchable chunks, and what the reader of one file costs.

Pages are read through the sandbox, as shipped. The reference is markitdown on the same files in the same run. With the
public documents beside the repository (`../shared/data/documents/pdf`) those are read; otherwise a PDF made here.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.figures import Figure

ROOT = Path(__file__).resolve().parents[1]
PUBLIC_FILES = ROOT.parent / "shared" / "data" / "documents" / "pdf"
RUNS = 5
EMBED_CHUNKS = 128
_SENTENCE = "each answer names the passage it was taken from and every passage names the page of its document"
_WORDS = re.findall(r"\w+", _SENTENCE)


def run() -> Iterator[Figure]:
    """`ingest.pages_per_second`, `ingest.chunks_per_second`, `ingest.peak_mb`."""
    from apps.knowledge.ingest.sandbox import Sandbox

    files = _files()
    sandbox = Sandbox()
    try:
        yield _pages_per_second(sandbox, files)
    finally:
        sandbox.close()
    yield _chunks_per_second()
    yield _peak_mb(files)


def _files() -> list[tuple[str, bytes]]:
    found = sorted(PUBLIC_FILES.glob("*.pdf")) if PUBLIC_FILES.is_dir() else []
    if not found:
        print("ingest: the public documents are not here; a PDF of 60 pages made here is read.", file=sys.stderr)
        return [("made.pdf", _made_pdf(60))]
    return [file for path in found if _has_text(file := (path.name, path.read_bytes()))]


def _has_text(file: tuple[str, bytes]) -> bool:
    """Whether every page has a text of its own: text recognition is another matter than reading, and here, outside
    the sandbox, there is none.
    """
    from apps.knowledge.ingest.blocks import Unreadable
    from apps.knowledge.ingest.extract import extract

    with contextlib.suppress(Unreadable):
        return not extract(file[1], file[0]).notice
    return False


def _made_pdf(pages: int) -> bytes:
    from reportlab.pdfgen.canvas import Canvas

    target = io.BytesIO()
    canvas = Canvas(target, invariant=1)
    for number in range(pages):
        canvas.setFont("Helvetica-Bold", 18)
        canvas.drawString(72, 780, f"Chapter {number}")
        canvas.setFont("Helvetica", 11)
        for line in range(48):
            words = [_WORDS[(number + line + position) % len(_WORDS)] for position in range(13)]
            canvas.drawString(72, 750 - 14 * line, " ".join(words))
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def _pages_per_second(sandbox: object, files: Sequence[tuple[str, bytes]]) -> Figure:
    from apps.knowledge.ingest.sandbox import Sandbox

    assert isinstance(sandbox, Sandbox)
    pages = _read_all(sandbox, files)
    # One pass of the reference takes as long as all of ours together: it is measured on a share of the files.
    sample = files[:: max(1, len(files) // 12)]
    sample_pages = _read_all(sandbox, sample)
    _read_with_markitdown(sample[:1])
    own, reference = [], []
    for _ in range(RUNS):
        started = time.perf_counter()
        _read_all(sandbox, files)
        own.append(pages / (time.perf_counter() - started))
        started = time.perf_counter()
        _read_with_markitdown(sample)
        reference.append(sample_pages / (time.perf_counter() - started))
    note = f"{pages} pages with text in {len(files)} files, each through the sandbox; reference: markitdown"
    return Figure.of_runs("ingest.pages_per_second", "pages/s", own, references=reference, note=note)


def _read_all(sandbox: object, files: Sequence[tuple[str, bytes]]) -> int:
    from apps.knowledge.ingest.blocks import Unreadable
    from apps.knowledge.ingest.sandbox import Sandbox

    assert isinstance(sandbox, Sandbox)
    pages = 0
    for name, content in files:
        with contextlib.suppress(Unreadable):
            pages += sandbox.extract(content, name).page_count or 0
    return pages


def _read_with_markitdown(files: Sequence[tuple[str, bytes]]) -> None:
    from markitdown import MarkItDown

    logging.getLogger("pdfminer").setLevel(logging.ERROR)
    converter = MarkItDown()
    for _, content in files:
        with contextlib.suppress(Exception):
            converter.convert_stream(io.BytesIO(content), file_extension=".pdf")


def _chunks_per_second() -> Figure:
    """Chunking and embedding together: what a full chunk costs until it only has to be written."""
    from apps.knowledge.ingest.blocks import BlockBuilder
    from apps.knowledge.ingest.chunk import chunk, embedded_text
    from parley.llm.local_embedder import embed_here

    builder = BlockBuilder()
    builder.heading("Handbook", 1)
    for number in range(EMBED_CHUNKS):
        builder.heading(f"Subject {number}", 2)
        builder.add("paragraph", " ".join(_WORDS[(number + n) % len(_WORDS)] for n in range(150)) + ".")
    document = builder.finish()
    embed_here(("warm",), is_bulk=True)
    speeds = []
    tokens = 0
    for _ in range(RUNS):
        started = time.perf_counter()
        drafts = chunk(document)
        embed_here(tuple(embedded_text("Handbook", d.headings, d.text) for d in drafts), is_bulk=True)
        speeds.append(len(drafts) / (time.perf_counter() - started))
        tokens = sum(draft.token_count for draft in drafts) // len(drafts)
    return Figure.of_runs(
        "ingest.chunks_per_second", "chunks/s", speeds, note=f"chunks of {tokens} tokens, embedded on all cores"
    )


def _peak_mb(files: Sequence[tuple[str, bytes]]) -> Figure:
    """The most memory the reading of any one file took, its interpreter and parsers included."""
    peaks = []
    largest = sorted(files, key=lambda file: len(file[1]))[-5:]
    largest.append(("long.md", b"# A\n\n" + b"word " * 400_000))
    script = (
        "import resource, sys; from apps.knowledge.ingest.extract import extract\n"
        "try: extract(open(sys.argv[1], 'rb').read(), sys.argv[2])\n"
        "except Exception: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, content in largest:
            path = Path(folder) / "file"
            path.write_bytes(content)
            command = [sys.executable, "-c", script, str(path), name]
            environment = {"PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            peaks.append(float(done.stdout))
    return Figure("ingest.peak_mb", max(peaks), "MB", reference=512.0, runs=len(peaks), note="resident, per file")
