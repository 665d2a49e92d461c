"""Knowledge bases and documents for the tests; the embedder is the product's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db.models.functions import Now

from parley.tenancy import tenant_tx, use_tenant
from tests.fixtures import TenantWithKey
from tests.knowledge.website import Website, run

AddDocument = Callable[..., Any]


@pytest.fixture
def make_base() -> Callable[..., Any]:
    """`make_base(tenant, "Name")` → a knowledge base."""

    def make(owner: TenantWithKey, name: str = "Handbook") -> Any:
        from apps.knowledge.services.knowledge_bases import create_knowledge_base

        with tenant_tx(owner.tenant.id):
            return create_knowledge_base(name=name)

    return make


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch) -> AddDocument:
    """`add(tenant, base, "name.md", b"…")` → a stored, queued document whose job has not been started."""

    def make(owner: TenantWithKey, base: Any, name: str, content: bytes) -> Any:
        from apps.knowledge.services import documents

        with monkeypatch.context() as patch, tenant_tx(owner.tenant.id):
            patch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)
            return documents.add_document(knowledge_base_id=base.id, name=name, content=content)

    return make


@pytest.fixture
def index() -> Callable[..., Any]:
    """`index(tenant, document)` runs the indexing job's service and returns the document as it is then."""

    def run(owner: TenantWithKey, document: Any) -> Any:
        from apps.knowledge.services.indexing import index_document
        from parley.tenancy import use_tenant

        with use_tenant(owner.tenant.id):
            index_document(document_id=document.id)
        return reload(owner, document.id)

    return run


def give_up_lease(owner: TenantWithKey, document: Any) -> None:
    """What the tick does with the job of a worker that died: it waits again, and is due."""
    set_job(owner, document, state="queued", lease_until=None, run_after=Now())


def set_job(owner: TenantWithKey, document: Any, **values: Any) -> None:
    """Change the document's latest indexing job."""
    from parley.jobs.models import Job

    with tenant_tx(owner.tenant.id):
        latest = Job.objects.filter(subject_id=document.id).order_by("-id").values("id")[:1]
        assert Job.objects.filter(id__in=latest).update(**values)


def job_of(owner: TenantWithKey, document: Any) -> Any:
    """The document's latest job."""
    from parley.jobs.models import Job

    with tenant_tx(owner.tenant.id):
        return Job.objects.filter(subject_id=document.id).latest("id")


def reload(owner: TenantWithKey, document_id: UUID) -> Any:
    """The document's row as it is now."""
    from apps.knowledge.models import Document

    with tenant_tx(owner.tenant.id):
        return Document.objects.get(id=document_id)


def count_rows(owner: TenantWithKey, document_id: UUID) -> dict[str, int]:
    """Live rows of a document in the three chunk tables."""
    from apps.knowledge.models import Chunk, ChunkTerms, ChunkVector

    with tenant_tx(owner.tenant.id):
        return {
            model.__name__: model.objects.filter(document_id=document_id, valid_to=None).count()
            for model in (Chunk, ChunkVector, ChunkTerms)
        }


@pytest.fixture
def website(settings: Any) -> Iterator[Website]:
    """A site on loopback that the operator listed."""
    site = Website()
    thread = run(site)
    settings.PARLEY_EGRESS_ALLOW = [site.endpoint]
    yield site
    site.shutdown()
    site.server_close()
    thread.join(5)


@pytest.fixture
def canary() -> Iterator[Website]:
    """A site on loopback that nobody listed: it must hear nothing."""
    site = Website()
    thread = run(site)
    yield site
    site.shutdown()
    site.server_close()
    thread.join(5)


@pytest.fixture
def add_source() -> Callable[..., Any]:
    """`add_source(tenant, base, address, kind="crawl", …)` → a source whose first sync is queued."""

    def make(owner: TenantWithKey, base: Any, address: str, **settings: Any) -> Any:
        from apps.knowledge.services.source_settings import SourceSettings
        from apps.knowledge.services.sources import create_source

        chosen = SourceSettings(**{"kind": "crawl", "delay_seconds": 0, **settings})
        with tenant_tx(owner.tenant.id):
            return create_source(knowledge_base_id=base.id, address=address, settings=chosen)

    return make


@pytest.fixture
def sync() -> Callable[..., Any]:
    """`sync(tenant, source)` runs the open sync, or a new one, to its end and returns it."""

    def make(owner: TenantWithKey, source: Any, **options: Any) -> Any:
        from apps.knowledge.models import SourceRun
        from apps.knowledge.services.crawling import run_source
        from apps.knowledge.services.sources import start_run
        from apps.knowledge.source_enums import OPEN_RUN

        with tenant_tx(owner.tenant.id):
            run = SourceRun.objects.filter(source=source, state__in=OPEN_RUN).first()
            run = run or start_run(source_id=source.id, **options)
        with use_tenant(owner.tenant.id):
            run_source(run_id=run.id)
        with tenant_tx(owner.tenant.id):
            return SourceRun.objects.get(id=run.id)

    return make
