"""Taking and dropping snapshots of a base."""

from __future__ import annotations

from uuid import UUID

from django.db import connection
from django.db.models import Max

from apps.knowledge.enums import IndexState
from apps.knowledge.models import KnowledgeBase, SearchIndex, Snapshot
from apps.knowledge.snapshots import get_snapshot
from apps.tenants.services.audit import record
from parley.errors import Invalid, NotFound
from parley.tenancy import require_tenant_id
from parley.web.actors import current_actor

MAX_SNAPSHOTS = 200
_MAX_NAME = 120
_MAX_NOTE = 500
# What ended before or after every snapshot that is left is seen by nobody.
_FORGET_UNSEEN = [
    f"""
    DELETE FROM {table} AS gone
    WHERE tenant_id = %(tenant)s AND search_index_id = %(index)s AND valid_to IS NOT NULL
      AND NOT EXISTS (SELECT FROM knowledge_snapshot AS kept
                      WHERE kept.tenant_id = %(tenant)s AND kept.search_index_id = gone.search_index_id
                        AND kept.revision >= gone.valid_from AND kept.revision < gone.valid_to)
    """  # noqa: S608 # the names below
    for table in ("knowledge_chunkvector", "knowledge_chunkterms")
]


def take_snapshot(*, knowledge_base_id: UUID, name: str = "", note: str = "") -> Snapshot:
    """Remember what can be found now. It costs no copy: rows that change later are kept for it.

    Without a name it is called by its number. Raises `NotFound`; `Invalid` for a name that is taken or too long, and
    beyond 200 snapshots.
    """
    base = KnowledgeBase.objects.select_for_update(no_key=True).filter(id=knowledge_base_id).first()
    if base is None:
        raise NotFound("There is no such knowledge base.")
    taken = Snapshot.objects.filter(knowledge_base=base)
    number = (taken.aggregate(last=Max("number"))["last"] or 0) + 1
    values = _checked(name, note, number)
    if taken.filter(name=values["name"]).exists():
        sentence = f"There is a snapshot named “{values['name']}” already."
        raise Invalid(sentence, errors={"name": [sentence]})
    if taken.count() >= MAX_SNAPSHOTS:
        raise Invalid(f"A knowledge base keeps {MAX_SNAPSHOTS} snapshots at most. Delete one that is not needed.")
    actor = current_actor()
    snapshot: Snapshot = Snapshot.objects.create(
        knowledge_base=base,
        search_index=SearchIndex.objects.get(knowledge_base=base, state=IndexState.ACTIVE),
        number=number,
        revision=base.revision,
        author_label=actor.label[:200] if actor else "Parley",
        **values,
    )
    record(action="snapshot.taken", target=snapshot, after={**values, "number": number})
    return snapshot


def delete_snapshot(*, snapshot_id: UUID) -> None:
    """Forget a snapshot and what only it could find. What is pinned to it searches the base as it is now.

    Raises `NotFound`.
    """
    snapshot = get_snapshot(snapshot_id)
    record(action="snapshot.deleted", target=snapshot, before={"name": snapshot.name, "number": snapshot.number})
    index_id = snapshot.search_index_id
    snapshot.delete()
    with connection.cursor() as cursor:
        for statement in _FORGET_UNSEEN:
            cursor.execute(statement, {"tenant": require_tenant_id(), "index": index_id})


def _checked(name: str, note: str, number: int) -> dict[str, str]:
    values = {"name": " ".join(name.split()) or f"Snapshot {number}", "note": note.strip()}
    errors: dict[str, list[str]] = {}
    if len(values["name"]) > _MAX_NAME:
        errors["name"] = [f"The name may have {_MAX_NAME} characters at most."]
    if len(values["note"]) > _MAX_NOTE:
        errors["note"] = [f"The note may have {_MAX_NOTE} characters at most."]
    if errors:
        raise Invalid("The snapshot was not taken.", errors=errors)
    return values
