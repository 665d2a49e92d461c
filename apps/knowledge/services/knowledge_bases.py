"""Creating, changing and deleting knowledge bases."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from apps.knowledge.models import Document, KnowledgeBase, SearchIndex
from apps.knowledge.retrieval.languages import AUTO, CHOICES
from apps.knowledge.selectors import get_knowledge_base
from apps.knowledge.services.index_rows import delete_chunks_of_base
from apps.tenants.services.audit import record
from parley.errors import Invalid

_MAX_NAME = 120
_MAX_DESCRIPTION = 500


def create_knowledge_base(*, name: str, description: str = "", language: str | None = None) -> KnowledgeBase:
    """A new, empty knowledge base, read in one language or, by default, in that of each document.

    Raises `Invalid` for an empty or overlong name or description, or an unknown language.
    """
    values = _checked(name, description, language or AUTO)
    base: KnowledgeBase = KnowledgeBase.objects.create(**values)
    SearchIndex.objects.create(knowledge_base=base, number=1, activated_at=timezone.now())
    record(action="knowledge_base.created", target=base, after=values)
    return base


def update_knowledge_base(
    *,
    knowledge_base_id: UUID,
    name: str | None = None,
    description: str | None = None,
    language: str | None = None,
) -> KnowledgeBase:
    """Change what is given; None leaves a field as it is. Raises `NotFound`, `Invalid`.

    Another language counts for documents that are read from now on.
    """
    base = get_knowledge_base(knowledge_base_id)
    before = {"name": base.name, "description": base.description, "language": base.language}
    after = _checked(
        base.name if name is None else name,
        base.description if description is None else description,
        base.language if language is None else language,
    )
    if after != before:
        base.name, base.description, base.language = after["name"], after["description"], after["language"]
        base.save(update_fields=["name", "description", "language", "updated_at"])
        record(action="knowledge_base.updated", target=base, before=before, after=after)
    return base


def delete_knowledge_base(*, knowledge_base_id: UUID) -> None:
    """Delete a knowledge base with all its documents, at once and for good. Safe to repeat: then `NotFound`.

    Assistants that used it go on without it.
    """
    base = get_knowledge_base(knowledge_base_id)
    documents = Document.objects.filter(knowledge_base=base)
    before = {"name": base.name, "documents": documents.filter(deleted_at=None).count()}
    record(action="knowledge_base.deleted", target=base, before=before)
    # Many thousands of rows: by statement, so that Django's collector does not load them.
    delete_chunks_of_base(base.id)
    base.delete()


def _checked(name: str, description: str, language: str) -> dict[str, str]:
    values = {"name": name.strip(), "description": description.strip(), "language": language}
    errors: dict[str, list[str]] = {}
    if not values["name"]:
        errors["name"] = ["Give the knowledge base a name."]
    if len(values["name"]) > _MAX_NAME:
        errors["name"] = [f"The name may have {_MAX_NAME} characters at most."]
    if len(values["description"]) > _MAX_DESCRIPTION:
        errors["description"] = [f"The description may have {_MAX_DESCRIPTION} characters at most."]
    if language not in dict(CHOICES):
        errors["language"] = [f"There is no language “{language}”. Choose one of: {', '.join(dict(CHOICES))}."]
    if errors:
        raise Invalid("The knowledge base was not saved.", errors=errors)
    return values
