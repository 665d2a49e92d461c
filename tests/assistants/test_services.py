"""Drafts, versions that never change, the pointer visitors follow, and what an audit keeps of it."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, transaction

from apps.assistants import selectors
from apps.assistants.models import Assistant, AssistantVersion
from apps.assistants.services import assistants, versions
from apps.gateway.services.setup import register_local_models
from apps.knowledge.services.knowledge_bases import create_knowledge_base, delete_knowledge_base
from apps.tenants.models import AuditEvent
from parley.errors import Conflict, Invalid, NotFound
from parley.tenancy import tenant_tx
from tests.assistants.factories import make_assistant

pytestmark = pytest.mark.django_db


def actions() -> list[str]:
    return list(AuditEvent.objects.filter(target_type="assistant").order_by("id").values_list("action", flat=True))


def test_name_and_instructions_suffice(in_tenant_a: Any) -> None:
    assistant = make_assistant(name="Parley guide", instructions="Help.")
    assert assistant.slug == "parley-guide"
    spec = selectors.get_draft_spec("parley-guide")
    assert spec.instructions == "Help."
    assert spec.refusal
    assert spec.max_output_tokens > 0
    assert (spec.number, spec.version_id, spec.model_id, spec.knowledge_base_ids) == (None, None, None, ())
    assert actions() == ["assistant.created"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"instructions": ""}, "instructions"),
        ({"instructions": "x" * 20_001}, "instructions"),
        ({"temperature": 3.0}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"slug": "Not a slug"}, "slug"),
        ({"suggested_questions": ["a?"] * 7}, "suggested_questions"),
        ({"model_id": uuid4()}, "model"),
        ({"knowledge_base_ids": [uuid4()]}, "knowledge_base_ids"),
        ({"access_tags": ["no tag!"]}, "access_tags"),
        ({"metadata_filter": {"team": "shop"}}, "metadata_filter"),
    ],
)
def test_invalid_settings_are_named_by_field(in_tenant_a: Any, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        make_assistant(**fields)
    assert list(caught.value.errors) == [field]


def test_slugs_come_from_names_and_stay_apart(in_tenant_a: Any) -> None:
    slugs = [make_assistant(name=name).slug for name in ("Guide", "Guide", "guide!", "日本")]
    assert slugs == ["guide", "guide-2", "guide-3", "assistant"]
    with pytest.raises(Conflict, match="taken"):
        make_assistant(slug="guide")


def test_a_draft_reaches_nobody_until_it_is_published(in_tenant_a: Any) -> None:
    assistant = make_assistant(instructions="One.")
    with pytest.raises(Conflict, match="not been published"):
        selectors.get_published_spec("guide")
    first = versions.publish(assistant_id=assistant.id, note="Start")
    assistants.update_draft(assistant_id=assistant.id, instructions="Two.", temperature=0.5)
    assert selectors.get_published_spec(assistant.id).instructions == "One."
    assert selectors.get_draft_spec(assistant.id).instructions == "Two."
    assert selectors.unpublished_changes(selectors.get_assistant(assistant.id)) == (
        "instructions",
        "temperature",
    )
    second = versions.publish(assistant_id=assistant.id)
    assert (first.number, second.number) == (1, 2)
    assert selectors.get_published_spec("guide").number == 2
    assert selectors.get_version_spec(first.id).instructions == "One."
    assert actions() == [
        "assistant.created",
        "assistant.published",
        "assistant.draft_updated",
        "assistant.published",
    ]


def test_publishing_twice_adds_one_version(in_tenant_a: Any) -> None:
    assistant = make_assistant()
    assert versions.publish(assistant_id=assistant.id).id == versions.publish(assistant_id=assistant.id).id
    assert AssistantVersion.objects.count() == 1


def test_a_rollback_moves_the_pointer_and_nothing_else(in_tenant_a: Any) -> None:
    assistant = make_assistant(instructions="One.")
    versions.publish(assistant_id=assistant.id)
    assistants.update_draft(assistant_id=assistant.id, instructions="Two.")
    versions.publish(assistant_id=assistant.id)
    assistants.update_draft(assistant_id=assistant.id, instructions="Three.")
    versions.rollback(assistant_id=assistant.id, number=1)
    versions.rollback(assistant_id=assistant.id, number=1)
    assert selectors.get_published_spec("guide").instructions == "One."
    assert selectors.get_draft_spec("guide").instructions == "Three."
    assert AssistantVersion.objects.count() == 2
    assert actions().count("assistant.rolled_back") == 1
    assert versions.publish(assistant_id=assistant.id).number == 3
    with pytest.raises(NotFound):
        versions.rollback(assistant_id=assistant.id, number=9)


@pytest.mark.parametrize("change", [lambda rows: rows.update(note="x"), lambda rows: rows.delete()])
def test_the_database_refuses_to_change_a_version(in_tenant_a: Any, change: Any) -> None:
    version = versions.publish(assistant_id=make_assistant().id)
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        change(AssistantVersion.objects.filter(id=version.id))


def test_two_people_do_not_overwrite_each_other(in_tenant_a: Any) -> None:
    assistant = make_assistant()
    seen = assistant.draft_revision
    assistants.update_draft(assistant_id=assistant.id, revision=seen, instructions="Mine.")
    with pytest.raises(Conflict, match="Somebody else"):
        assistants.update_draft(assistant_id=assistant.id, revision=seen, instructions="Theirs.")
    assert selectors.get_draft_spec("guide").instructions == "Mine."


def test_saving_the_same_draft_again_changes_nothing(in_tenant_a: Any) -> None:
    assistant = make_assistant()
    saved = assistants.update_draft(assistant_id=assistant.id, instructions=assistant.instructions)
    assert saved.draft_revision == 1
    assert actions() == ["assistant.created"]


def test_knowledge_bases_are_linked_to_the_draft_and_frozen_in_versions(in_tenant_a: Any) -> None:
    first, second = (create_knowledge_base(name=name) for name in ("One", "Two"))
    assistant = make_assistant(knowledge_base_ids=[first.id])
    version = versions.publish(assistant_id=assistant.id)
    assistants.update_draft(assistant_id=assistant.id, knowledge_base_ids=[second.id, second.id])
    assert selectors.get_draft_spec("guide").knowledge_base_ids == (second.id,)
    assert selectors.get_published_spec("guide").knowledge_base_ids == (first.id,)
    delete_knowledge_base(knowledge_base_id=second.id)
    assert selectors.get_draft_spec("guide").knowledge_base_ids == ()
    assert selectors.get_version_spec(version.id).knowledge_base_ids == (first.id,)


def test_whom_it_answers_for_is_frozen_in_versions(in_tenant_a: Any) -> None:
    """L-20: what visitors may be answered from changes with publishing and rolls back with the rest."""
    wanted = {"field": "year", "gte": 2025}
    assistant = make_assistant()
    public = versions.publish(assistant_id=assistant.id)
    assistants.update_draft(assistant_id=assistant.id, access_tags=["HR", "hr", ""], metadata_filter=wanted)
    assert selectors.get_published_spec(assistant.id).access_tags == ()
    assert selectors.unpublished_changes(selectors.get_assistant(assistant.id)) == ("access_tags", "metadata_filter")
    staff = versions.publish(assistant_id=assistant.id)
    spec = selectors.get_published_spec(assistant.id)
    assert (spec.access_tags, spec.metadata_filter) == (("hr",), wanted)
    versions.rollback(assistant_id=assistant.id, number=public.number)
    spec = selectors.get_published_spec(assistant.id)
    assert (spec.access_tags, spec.metadata_filter) == ((), None)
    assistants.update_draft(assistant_id=assistant.id, metadata_filter={})
    assert selectors.get_draft_spec(assistant.id).metadata_filter is None
    without = {name: value for name, value in staff.spec.items() if name not in ("access_tags", "metadata_filter")}
    staff.spec = without
    old = selectors.version_spec(staff, assistant)
    assert (old.access_tags, old.metadata_filter) == ((), None), "versions of before there were tags are for everybody"


def test_a_model_that_was_switched_off_does_not_lock_the_draft(in_tenant_a: Any) -> None:
    from apps.gateway.models import Model

    register_local_models()
    model = Model.objects.filter(kind="chat").first()
    assert model is not None
    assistant = make_assistant(model_id=model.id)
    Model.objects.filter(id=model.id).update(is_enabled=False)
    saved = assistants.update_draft(assistant_id=assistant.id, instructions="New.")
    assert saved.model_id == model.id


def test_sharing_takes_effect_at_once_and_cleans_origins(in_tenant_a: Any) -> None:
    assistant = make_assistant()
    versions.publish(assistant_id=assistant.id)
    shared = assistants.update_sharing(
        assistant_id=assistant.id,
        is_public=True,
        allowed_origins=["HTTPS://Example.com/", "https://example.com:443", " http://localhost:3000 ", ""],
    )
    assert shared.allowed_origins == ["https://example.com", "http://localhost:3000"]
    assistants.update_sharing(assistant_id=assistant.id, is_paused=True)
    with pytest.raises(Conflict, match="paused"):
        selectors.get_published_spec("guide")
    assert actions()[-1] == "assistant.sharing_updated"


NO_ORIGINS = (
    *(
        "example.com",
        "https://*.example.com",
        "https://example.com/shop",
        "javascript:alert(1)",
        "https://a b",
        "*",
    ),
    *(
        "https://user@example.com",
        "https://example.com; script-src *",
        "null",
        "https://",
        "https://x.com:99999",
    ),
)


@pytest.mark.parametrize("origin", NO_ORIGINS)
def test_what_is_no_origin_never_reaches_a_header(in_tenant_a: Any, origin: str) -> None:
    """A-11: the list becomes `frame-ancestors`, so nothing but plain origins may stand in it."""
    assistant = make_assistant()
    with pytest.raises(Invalid) as caught:
        assistants.update_sharing(assistant_id=assistant.id, allowed_origins=[origin])
    assert list(caught.value.errors) == ["allowed_origins"]


def test_a_deleted_assistant_is_gone_but_its_versions_explain_old_answers(in_tenant_a: Any) -> None:
    assistant = make_assistant(instructions="One.")
    version = versions.publish(assistant_id=assistant.id)
    assistants.update_sharing(assistant_id=assistant.id, is_public=True)
    assistants.delete_assistant(assistant_id=assistant.id)
    for look in (selectors.get_assistant, selectors.get_published_spec, selectors.get_draft_spec):
        with pytest.raises(NotFound):
            look("guide")
    assert selectors.list_assistants().count() == 0
    assert selectors.get_version_spec(version.id).instructions == "One."
    assert make_assistant().slug == "guide"
    with pytest.raises(NotFound):
        assistants.delete_assistant(assistant_id=assistant.id)


@pytest.mark.django_db(transaction=True)
def test_a_public_id_tells_the_tenant_and_nothing_is_guessable(two_tenants: Any) -> None:
    acme, birch = two_tenants
    with tenant_tx(acme.tenant.id):
        assistant = make_assistant()
        assistants.update_sharing(assistant_id=assistant.id, is_public=True, allowed_origins=["https://example.com"])
    with tenant_tx(birch.tenant.id):
        other = make_assistant()
    found = selectors.find_by_public_id(assistant.public_id)
    assert found is not None
    assert (found.tenant_id, found.assistant_id) == (acme.tenant.id, assistant.id)
    assert (found.is_public, found.is_published, found.allowed_origins) == (
        True,
        False,
        ("https://example.com",),
    )
    assert selectors.find_by_public_id(assistant.slug) is None
    assert len(assistant.public_id) >= 22
    assert assistant.public_id != other.public_id
    with tenant_tx(acme.tenant.id):
        assistants.delete_assistant(assistant_id=assistant.id)
    assert selectors.find_by_public_id(assistant.public_id) is None


@pytest.mark.django_db(transaction=True)
def test_another_tenant_sees_and_changes_nothing(two_tenants: Any) -> None:
    """T-06"""
    acme, birch = two_tenants
    with tenant_tx(acme.tenant.id):
        assistant = make_assistant()
        version = versions.publish(assistant_id=assistant.id)
    with tenant_tx(birch.tenant.id):
        calls: list[Callable[[], object]] = [
            lambda: selectors.get_assistant(assistant.id),
            lambda: selectors.get_assistant("guide"),
            lambda: selectors.get_version_spec(version.id),
            lambda: assistants.update_draft(assistant_id=assistant.id, name="Stolen"),
            lambda: assistants.update_sharing(assistant_id=assistant.id, is_public=True),
            lambda: assistants.delete_assistant(assistant_id=assistant.id),
            lambda: versions.publish(assistant_id=assistant.id),
            lambda: versions.rollback(assistant_id=assistant.id, number=1),
        ]
        for call in calls:
            with pytest.raises(NotFound):
                call()
        assert selectors.list_assistants().count() == 0
        # Without the manager's filter, row-level security stands alone.
        assert Assistant._base_manager.filter(id=assistant.id).count() == 0
