"""How well questions find their passages on public sets, by words, by meaning, by both, and reranked.

Everything is the shipped code beside throw-away services: files are added and indexed, questions go through
`find_by_words`, `find_by_vector` and `search`. Needs the public sets beside the repository
(`../shared/data`, or `PARLEY_BENCH_DATA`) and says so when they are not there.
`PARLEY_BENCH_RETRIEVAL=code,docs` chooses sets, `PARLEY_BENCH_ARTICLES` bounds the long articles of `covid`.
Most of the time goes into embedding. A text has the same vector on every run, so with `PARLEY_BENCH_VECTORS` (a
file) they are kept from one run to the next.
"""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from benchmarks.figures import Figure

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("PARLEY_BENCH_DATA", ROOT.parent / "shared" / "data"))
SETS = tuple(os.environ.get("PARLEY_BENCH_RETRIEVAL", "code,docs,covid,faq").split(","))
ARTICLES = int(os.environ.get("PARLEY_BENCH_ARTICLES", "98"))
METHODS = ("keyword", "vector", "hybrid", "rerank")
DEPTH = 40
_RUNNABLE = [sys.executable, "-m", "parley.embedded.throwaway", sys.executable, "-m", "benchmarks.retrieval"]


@dataclass(frozen=True, slots=True)
class Page:
    """A file to index. `items` are the parts that questions name, in order; a passage stands for those it holds."""

    name: str
    text: str
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what answers it: items by name, or a span of text in one page."""

    text: str
    relevant: frozenset[str] = frozenset()
    page: str = ""
    span: str = ""


@dataclass(frozen=True, slots=True)
class TestSet:
    """One public set, and the figure computed from the results of all its questions."""

    name: str
    pages: list[Page]
    questions: list[Question]


@dataclass(slots=True)
class Outcome:
    """Per question the results of one method, best first, and the milliseconds that each search took."""

    found: list[list[Found]] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """A passage with the page it is from."""

    page: str
    text: str


def run() -> Iterator[Figure]:
    """`retrieval.code.pass5/10/20`, `retrieval.docs.mrr3`, `retrieval.covid.span_recall10`, `retrieval.faq.mrr10`."""
    if not (DATA / "retrieval-code").is_dir():
        print(f"retrieval: skipped, the public sets are not in {DATA}.", file=sys.stderr)
        return
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
        "DJANGO_SETTINGS_MODULE": "parley.config.settings.local",
        "PARLEY_FORBID_REMOTE_MODELS": "1",
    }
    with subprocess.Popen(_RUNNABLE, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            yield Figure(**json.loads(line))
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, _RUNNABLE)


# -- the sets -----------------------------------------------------------------------


def load(name: str) -> TestSet:
    """A set as files and questions."""
    return {"code": _code, "docs": _docs, "covid": _covid, "faq": _faq}[name]()


def _code() -> TestSet:
    """Each source file is one document; the set's chunks are its items."""
    files: dict[str, list[tuple[str, str]]] = {}
    for row in _lines("retrieval-code/corpus.jsonl"):
        files.setdefault(row["_id"].split(":")[0], []).append((row["_id"], row["text"]))
    pages = [Page(f"{name}.txt", "\n\n".join(text for _, text in items), tuple(items)) for name, items in files.items()]
    return TestSet("code", pages, _judged("retrieval-code"))


def _docs() -> TestSet:
    """Each section is one document."""
    pages = [
        Page(f"section-{number}.md", row["text"], ((row["_id"], row["text"]),))
        for number, row in enumerate(_lines("retrieval-docs/corpus.jsonl"))
    ]
    return TestSet("docs", pages, _judged("retrieval-docs"))


def _covid() -> TestSet:
    rows = _lines("qa-covid/documents.jsonl")[:ARTICLES]
    pages = [Page(f"{row['_id']}.txt", row["text"], ()) for row in rows]
    kept = {page.name for page in pages}
    questions = [
        Question(row["text"], page=f"{row['doc']}.txt", span=_squeeze(row["answer"]))
        for row in _lines("qa-covid/questions.jsonl")
    ]
    return TestSet("covid", pages, [question for question in questions if question.page in kept])


def _faq() -> TestSet:
    """Each answer is one document, without its question: the question has to find it."""
    answers: dict[str, str] = {}
    questions: list[Question] = []
    with (DATA / "qa-covid" / "faq.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            asked, answer = (row["question"] or "").strip(), (row["answer"] or "").strip()
            if row["lang"] == "en" and asked and len(answer) > 40:
                name = answers.setdefault(_squeeze(answer), f"answer-{len(answers)}.txt")
                questions.append(Question(asked, frozenset([name])))
    with (DATA / "qa-covid" / "faq.tsv").open(encoding="utf-8", newline="") as file:
        texts = {_squeeze((row["answer"] or "").strip()): row["answer"] for row in csv.DictReader(file, delimiter="\t")}
    pages = [Page(name, texts[key], ((name, texts[key]),)) for key, name in answers.items()]
    return TestSet("faq", pages, questions)


def _judged(folder: str) -> list[Question]:
    relevant: dict[str, set[str]] = {}
    for line in (DATA / folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        question, item, _ = line.split("\t")
        relevant.setdefault(question, set()).add(item)
    return [Question(row["text"], frozenset(relevant[row["_id"]])) for row in _lines(f"{folder}/queries.jsonl")]


def _lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / path).read_text(encoding="utf-8").splitlines() if line.strip()]


def _squeeze(text: str) -> str:
    """Text without anything that a chunker may change: white space."""
    return "".join(text.split())


# -- the scores ---------------------------------------------------------------------


def figures_of(test_set: TestSet, method: str, outcome: Outcome) -> Iterator[Figure]:
    """The figures of one set and method."""
    note = f"{len(test_set.questions)} questions, search p95 {_p95(outcome.ms):.0f} ms"
    if test_set.name == "covid":
        yield _covid_figure(test_set, method, outcome, note)
        return
    items = Items(test_set.pages)
    ranked = [items.named(found) for found in outcome.found]
    judged = list(zip(test_set.questions, ranked, strict=True))
    if test_set.name == "code":
        for depth in (5, 10, 20):
            share = statistics.mean(
                len(question.relevant & set(names[:depth])) / len(question.relevant) for question, names in judged
            )
            yield Figure(f"retrieval.code.pass{depth}.{method}", 100 * share, "%", reference=None, note=note)
    else:
        depth = 3 if test_set.name == "docs" else 10
        mean = statistics.mean(_reciprocal(question.relevant, names[:depth]) for question, names in judged)
        yield Figure(f"retrieval.{test_set.name}.mrr{depth}.{method}", mean, "mean", note=note)


def _covid_figure(test_set: TestSet, method: str, outcome: Outcome, note: str) -> Figure:
    hits, shares = [], []
    for question, found in zip(test_set.questions, outcome.found, strict=True):
        holding = [
            passage
            for passage in found[:10]
            if passage.page == question.page and question.span in _squeeze(passage.text)
        ]
        hits.append(bool(holding))
        if holding:
            shares.append(len(question.span) / len(_squeeze(holding[0].text)))
    note += f"; the span is {100 * statistics.mean(shares or [0]):.0f} % of the passage that holds it"
    return Figure(f"retrieval.covid.span_recall10.{method}", 100 * statistics.mean(hits), "%", note=note)


def _reciprocal(relevant: frozenset[str], names: Sequence[str]) -> float:
    return next((1 / rank for rank, name in enumerate(names, start=1) if name in relevant), 0.0)


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))] if values else 0.0


class Items:
    """Which items a passage stands for: those it holds at least half of, or that hold at least half of it."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages: dict[str, tuple[str, list[str], list[int]]] = {}
        for page in pages:
            texts = [_squeeze(text) for _, text in page.items]
            starts = [0, *accumulate(len(text) for text in texts)]
            self._pages[page.name] = ("".join(texts), [name for name, _ in page.items], starts)

    def named(self, found: Sequence[Found]) -> list[str]:
        """The items of ranked passages, each once, best first."""
        return list(dict.fromkeys(name for passage in found for name in self._of(passage)))

    def _of(self, passage: Found) -> list[str]:
        whole, names, starts = self._pages[passage.page]
        if len(names) == 1:
            return names
        text = _squeeze(passage.text)
        start = whole.find(text)
        if start < 0:
            start = max(0, whole.find(text[:60]))
        end = start + len(text)
        first = max(0, bisect_right(starts, start) - 1)
        overlaps = []
        for number in range(first, len(names)):
            if starts[number] >= end:
                break
            shared = min(end, starts[number + 1]) - max(start, starts[number])
            shorter = min(len(text), starts[number + 1] - starts[number])
            if shorter and shared / shorter >= 0.5:
                overlaps.append((shared, names[number]))
        return [name for _, name in sorted(overlaps, key=lambda pair: -pair[0])]


# -- the child, beside throw-away services ------------------------------------------


def main() -> None:
    """Index every set, ask every question by every method, print a figure per line."""
    import django
    from django.core.management import call_command

    django.setup()
    if kept := os.environ.get("PARLEY_BENCH_VECTORS"):
        _keep_vectors(Path(kept))
    call_command("migrate", verbosity=0, skip_checks=True, stdout=sys.stderr)
    tenant_id = _make_tenant()
    for name in SETS:
        test_set = load(name)
        base_id = _index(tenant_id, test_set)
        for method in METHODS:
            outcome = _ask(tenant_id, base_id, test_set, method)
            for figure in figures_of(test_set, method, outcome):
                print(figure.to_json(), flush=True)


def _keep_vectors(file: Path) -> None:
    """Let the embedder look into a file before it computes."""
    from parley.llm.minilm import MiniLm, Vector

    compute, lock = MiniLm.embed, threading.Lock()
    store = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    store.execute("CREATE TABLE IF NOT EXISTS vectors (text TEXT PRIMARY KEY, vector BLOB, tokens INT)")

    def embed(model: MiniLm, text: str) -> tuple[Vector, int]:
        with lock:
            known = store.execute("SELECT vector, tokens FROM vectors WHERE text = ?", [text]).fetchone()
        if known:
            return np.frombuffer(known[0], dtype=np.float32), known[1]
        vector, tokens = compute(model, text)
        with lock:
            store.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", [text, vector.tobytes(), tokens])
        return vector, tokens

    MiniLm.embed = embed  # type: ignore[method-assign] # for this process only


def _make_tenant() -> UUID:
    from django.contrib.auth import get_user_model

    from apps.gateway.services.setup import register_local_models
    from apps.tenants.services.tenants import create_tenant
    from parley.tenancy import tenant_tx

    owner = get_user_model().objects.create_user(email="bench@example.com", password=None)
    tenant_id: UUID = create_tenant(name="Bench", owner=owner).id
    with tenant_tx(tenant_id):
        register_local_models()
    return tenant_id


def _index(tenant_id: UUID, test_set: TestSet) -> UUID:
    from apps.knowledge.services import documents
    from apps.knowledge.services.indexing import index_document
    from apps.knowledge.services.knowledge_bases import create_knowledge_base
    from parley.errors import Conflict
    from parley.tenancy import tenant_tx, use_tenant

    started = time.perf_counter()
    with use_tenant(tenant_id):
        with tenant_tx():
            base_id: UUID = create_knowledge_base(name=test_set.name).id
        for page in test_set.pages:
            try:
                with tenant_tx():
                    document = documents.add_document(
                        knowledge_base_id=base_id, name=page.name, content=page.text.encode("utf-8")
                    )
            except Conflict:  # the same section twice
                continue
            index_document(document_id=document.id)
    seconds = time.perf_counter() - started
    print(f"retrieval: {len(test_set.pages)} files of {test_set.name} indexed in {seconds:.0f} s", file=sys.stderr)
    return base_id


def _ask(tenant_id: UUID, base_id: UUID, test_set: TestSet, method: str) -> Outcome:
    from apps.knowledge.models import Document
    from parley.tenancy import tenant_tx, use_tenant

    outcome = Outcome()
    with use_tenant(tenant_id):
        with tenant_tx():
            names = dict(Document.objects.filter(knowledge_base_id=base_id).values_list("id", "name"))
        search = _searcher(method, base_id)
        for question in test_set.questions:
            started = time.perf_counter()
            found = search(question.text)
            outcome.ms.append((time.perf_counter() - started) * 1000)
            outcome.found.append([Found(names[document_id], text) for document_id, text in found])
    return outcome


def _searcher(method: str, base_id: UUID) -> Callable[[str], list[tuple[UUID, str]]]:
    """Question in; document and text of each passage out, best first."""
    from apps.knowledge import selectors
    from apps.knowledge.contracts import LOCAL_RERANKER, RetrievalSettings

    settings = RetrievalSettings(reranker=LOCAL_RERANKER) if method == "rerank" else RetrievalSettings()

    def by_both(question: str) -> list[tuple[UUID, str]]:
        passages = selectors.search(knowledge_base_ids=[base_id], query=question, limit=DEPTH, settings=settings)
        return [(passage.document_id, passage.text) for passage in passages]

    if method in ("hybrid", "rerank"):
        return by_both
    return lambda question: _by_one(method, base_id, question)


def _by_one(method: str, base_id: UUID, question: str) -> list[tuple[UUID, str]]:
    """One of the two lists alone, as it goes into the fusion."""
    from apps.gateway.services import embeddings
    from apps.knowledge.models import Chunk
    from apps.knowledge.retrieval.candidates import region_of
    from apps.knowledge.retrieval.literals import halfvec_literal
    from apps.knowledge.retrieval.vectors import find_by_vector
    from apps.knowledge.retrieval.words import find_by_words
    from parley.tenancy import tenant_tx

    if method == "vector":
        literal = halfvec_literal(embeddings.embed(texts=[question], kind="query")[0])
    with tenant_tx():
        region = region_of([base_id])
        hits: Sequence[Any]
        if method == "vector":
            hits = find_by_vector(region=region, vector=literal, limit=DEPTH)
        else:
            hits = find_by_words(region=region, query=question, limit=DEPTH)
        chunks = Chunk.objects.in_bulk([hit.chunk_id for hit in hits])
    return [(chunks[hit.chunk_id].document_id, chunks[hit.chunk_id].text) for hit in hits]


if __name__ == "__main__":
    main()
