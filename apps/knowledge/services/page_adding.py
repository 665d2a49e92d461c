"""Adds one page by its address and waits for it: what `{"url": …}` asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from apps.knowledge.crawl.addresses import identity, normalise
from apps.knowledge.models import Document, Source
from apps.knowledge.selectors import find_current_page, get_knowledge_base, list_source_runs
from apps.knowledge.services.crawling import run_source
from apps.knowledge.services.external import Metadata
from apps.knowledge.services.source_settings import SourceSettings
from apps.knowledge.services.sources import create_source, delete_source, start_run, update_source
from apps.knowledge.source_enums import RunTrigger, SourceKind
from parley.errors import Invalid
from parley.tenancy import tenant_tx


def add_page(
    *,
    knowledge_base_id: UUID,
    address: str,
    metadata: Metadata | None = None,
    access_tags: Sequence[str] | None = None,
) -> Document:
    """Fetch a page now and make it a document, as a source of this one page. Call it without a transaction.

    Sent again, the page is fetched again and becomes the document's next version if its words changed. Raises
    `NotFound`; `Invalid` for addresses that are not called and pages that cannot be read; `Conflict`.
    """
    with tenant_tx():
        source = _find_source(knowledge_base_id, address)
        is_new = source is None
        if source is None:
            source = _new_source(knowledge_base_id, address, metadata or {}, access_tags or ())
        else:
            given: dict[str, Any] = {"metadata": metadata, "access_tags": access_tags}
            changes = {name: value for name, value in given.items() if value is not None}
            if changes:
                update_source(source_id=source.id, **changes)
            start_run(source_id=source.id, trigger=RunTrigger.MANUAL, is_awaited=True)
        run = list_source_runs(source_id=source.id)[0]
    run_source(run_id=run.id)
    with tenant_tx():
        page = find_current_page(source_id=source.id)
        run.refresh_from_db()
        if page is not None and page.document is not None and run.state == "completed":
            document: Document = page.document
            return document
        told = [each["sentence"] for each in run.problems]
        sentence = run.message.removesuffix(" Nothing was deleted.") or next(iter(told), "The page was not taken in.")
        if is_new:
            delete_source(source_id=source.id, with_documents=True)
    raise Invalid(sentence, errors={"url": [sentence]})


def _new_source(knowledge_base_id: UUID, address: str, metadata: Metadata, access_tags: Sequence[str]) -> Source:
    settings = SourceSettings(kind=SourceKind.PAGE, delay_seconds=0, metadata=metadata, access_tags=access_tags)
    try:
        return create_source(knowledge_base_id=knowledge_base_id, address=address, settings=settings, is_awaited=True)
    except Invalid as problem:
        told = problem.errors.pop("address", None)
        raise Invalid(problem.detail, errors={**problem.errors, **({"url": told} if told else {})}) from problem


def _find_source(knowledge_base_id: UUID, address: str) -> Source | None:
    base = get_knowledge_base(knowledge_base_id)
    normal = normalise(address if "://" in address else f"https://{address}")
    pages = Source.objects.filter(knowledge_base=base, kind=SourceKind.PAGE)
    return next((each for each in pages if normal and identity(each.address) == identity(normal)), None)
