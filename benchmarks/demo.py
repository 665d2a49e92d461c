"""How many of the demo's 20 questions get the right fact with the right source, and how soon.

Asks the shipped assistant about the shipped guide through `respond`, once with each model that needs no key: the
bundled language model and the extractive quotes. The demo uses the first while it runs and the second otherwise.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.figures import Figure

ROOT = Path(__file__).resolve().parents[1]
GOAL = 14
_MODEL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question as it was answered. Seconds until the first word and until the end."""

    question: str
    is_right: bool
    first_word_s: float
    total_s: float
    reason: str
    text: str


def run() -> Iterator[Figure]:
    """`demo.right_of_20` is that of the demo's default, the local model; the quotes alone follow as `.extractive`."""
    with _local_model() as address:
        environment = {**os.environ, "PARLEY_LOCAL_MODEL_URL": address, "PARLEY_FORBID_REMOTE_MODELS": "1"}
        module = [sys.executable, "-m", "parley.embedded.throwaway", sys.executable, "-m", "benchmarks.demo"]
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "platform"), str(ROOT)])
        environment["DJANGO_SETTINGS_MODULE"] = "parley.config.settings.local"
        done = subprocess.run(module, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    by_model = {name: [Outcome(**row) for row in rows] for name, rows in json.loads(done.stdout).items()}
    local, quoted = by_model["local"], by_model["extractive"]
    note = f"local model {_right(local)}, quotes alone {_right(quoted)} of {len(local)}; the demo asks the local model"
    yield Figure("demo.right_of_20", float(_right(local)), "questions", reference=float(GOAL), note=note)
    yield Figure("demo.right_of_20.extractive", float(_right(quoted)), "questions", reference=float(GOAL))
    yield Figure.of_runs("demo.first_word_s", "s", [outcome.first_word_s for outcome in local])
    yield Figure.of_runs("demo.first_word_s.extractive", "s", [outcome.first_word_s for outcome in quoted])
    slowest = max(outcome.first_word_s for outcome in local)
    yield Figure("demo.first_word_slowest_s", slowest, "s", reference=3.0)


def _right(outcomes: Sequence[Outcome]) -> int:
    return sum(outcome.is_right for outcome in outcomes)


@contextmanager
def _local_model() -> Iterator[str]:
    """The bundled language model on a port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "parley.llm.local_model_server", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "platform")}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    import httpx

    deadline = time.monotonic() + _MODEL_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise RuntimeError("The bundled language model did not start.")


# -- the child, beside throw-away services ------------------------------------------


def main() -> None:
    """Make the assistant, ask it everything with both models, print the outcomes as JSON."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True, stdout=sys.stderr)
    version_id, tenant_id, names = _make_assistant()
    asked = {name: asyncio.run(_ask_all(tenant_id, version_id, names, name)) for name in ("extractive", "local")}
    print(json.dumps(asked))


def _make_assistant() -> tuple[UUID, UUID, dict[UUID, str]]:
    from django.contrib.auth import get_user_model

    from apps.assistants.services.assistants import create_assistant
    from apps.assistants.services.versions import publish
    from apps.gateway.services.setup import register_local_models
    from apps.knowledge.services import documents
    from apps.knowledge.services.indexing import index_document
    from apps.knowledge.services.knowledge_bases import create_knowledge_base
    from apps.tenants.services.tenants import create_tenant
    from parley.config.demo import content
    from parley.tenancy import tenant_tx, use_tenant

    owner = get_user_model().objects.create_user(email="bench@example.com", password=None)
    tenant = create_tenant(name="Bench", owner=owner)
    with use_tenant(tenant.id):
        with tenant_tx():
            register_local_models()
            base = create_knowledge_base(name=content.KNOWLEDGE_BASE_NAME)
            pages = [
                documents.add_document(knowledge_base_id=base.id, name=path.name, content=path.read_bytes())
                for path in content.guide_files()
            ]
        for page in pages:
            index_document(document_id=page.id)
        with tenant_tx():
            assistant = create_assistant(knowledge_base_ids=[base.id], **content.ASSISTANT)
            version = publish(assistant_id=assistant.id)
    return version.id, tenant.id, {page.id: page.name for page in pages}


async def _ask_all(tenant_id: UUID, version_id: UUID, names: dict[UUID, str], model: str) -> list[dict[str, Any]]:
    from apps.assistants import selectors as assistants
    from apps.evaluations.services.case_files import read_cases
    from apps.gateway import selectors as gateway
    from apps.gateway.contracts import ResolvedRoute
    from parley.config.demo import content
    from parley.db.threads import in_thread
    from parley.tenancy import tenant_tx, use_tenant

    def look_up() -> tuple[Any, ResolvedRoute]:
        with tenant_tx():
            route = gateway.resolve_route(purpose="chat")
            return assistants.get_version_spec(version_id), route

    with use_tenant(tenant_id):
        version, route = await in_thread(look_up)
        choices = route.choices if model == "local" else route.choices[-1:]
        route = ResolvedRoute(purpose="chat", choices=choices)
        cases = read_cases(content.QUESTIONS_FILE.read_bytes())
        return [await _ask(version, route, case, names) for case in cases]


async def _ask(version: Any, route: Any, case: Any, names: dict[UUID, str]) -> dict[str, Any]:
    from apps.assistants.contracts import Finished, TextDelta
    from apps.assistants.runtime import respond

    started = time.perf_counter()
    first_word_s = None
    finished = None
    async for event in respond(version=version, question=case.question, route=route):
        if isinstance(event, TextDelta) and first_word_s is None:
            first_word_s = time.perf_counter() - started
        elif isinstance(event, Finished):
            finished = event
    assert finished is not None
    is_right, reason = await _score(case, finished, names)
    return {
        "question": case.question,
        "is_right": is_right,
        "first_word_s": first_word_s or 0.0,
        "total_s": time.perf_counter() - started,
        "reason": reason,
        "text": finished.text,
    }


async def _score(case: Any, finished: Any, names: dict[UUID, str]) -> tuple[bool, str]:
    """By the scorers that the product's own experiments use: the fact is stated and the document is cited."""
    from apps.evaluations.contracts import AnswerRecord, CitedPassage
    from apps.evaluations.scorers import cites_expected_document, contains

    passages = tuple(
        CitedPassage(
            marker=citation.marker,
            document_id=citation.source.document_id,
            title=citation.source.title,
            text=citation.source.text,
            name=names[citation.source.document_id],
        )
        for citation in finished.citations
    )
    answer = AnswerRecord(finished.text, passages)
    fact = await contains.SCORER.score(case, answer, {"require": "all"}, None)  # type: ignore[arg-type] # needs no tools
    source = await cites_expected_document.SCORER.score(case, answer, {}, None)  # type: ignore[arg-type] # as above
    return fact.is_passed and source.is_passed, f"{fact.reason} {source.reason}"


if __name__ == "__main__":
    main()
