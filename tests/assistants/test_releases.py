"""Labels move, are remembered and protected; rollouts are sticky; planned moves happen once."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from apps.assistants import selectors
from apps.assistants.models import Assistant, LabelMove, ScheduledMove
from apps.assistants.policies import may_move_label
from apps.assistants.rollout import is_chosen, place_of
from apps.assistants.services import assistants, labels, rollouts, schedules, versions
from apps.assistants.tasks import sweep_moves
from apps.tenants.models import AuditEvent
from apps.tenants.policies import PERMISSIONS_BY_ROLE
from parley.errors import Conflict, Invalid, NotFound
from parley.tenancy import tenant_tx
from parley.web.actors import Actor, TenantRef
from tests.assistants.factories import make_assistant
from tests.assistants.test_api import LIST, Api, create

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(tenant_a: Any) -> Api:
    return Api(tenant_a.headers)


def with_versions(count: int) -> Assistant:
    """An assistant with this many versions, the last one live."""
    assistant = make_assistant(instructions="1")
    for number in range(1, count + 1):
        assistants.update_draft(assistant_id=assistant.id, instructions=str(number))
        versions.publish(assistant_id=assistant.id)
    return selectors.get_assistant(assistant.id)


def history(assistant: Assistant, label: str) -> list[tuple[int | None, int | None]]:
    moves = LabelMove.objects.filter(assistant=assistant, label=label).order_by("id")
    return list(moves.values_list("from_number", "to_number"))


def actor(role: str) -> Actor:
    return Actor("user", uuid4(), role, TenantRef(uuid4(), "a", "A"), PERMISSIONS_BY_ROLE[role], role)


def test_a_saved_version_is_shown_to_nobody_until_production_moves(in_tenant_a: Any) -> None:
    assistant = with_versions(1)
    assistants.update_draft(assistant_id=assistant.id, instructions="New")
    saved = versions.save_version(assistant_id=assistant.id, note="Try it")
    assert versions.save_version(assistant_id=assistant.id).id == saved.id
    assert (saved.number, selectors.get_published_spec("guide").number) == (2, 1)
    labels.move_label(assistant_id=assistant.id, label="staging", number=2)
    assert selectors.get_labelled_spec("guide", "staging").instructions == "New"
    assert selectors.get_published_spec("guide").instructions == "1"
    assert versions.publish(assistant_id=assistant.id).id == saved.id
    assert selectors.get_published_spec("guide").number == 2


def test_labels_stand_move_and_are_remembered(in_tenant_a: Any) -> None:
    assistant = with_versions(3)
    assert [(label.name, label.version and label.version.number) for label in selectors.list_labels(assistant)] == [
        ("production", 3),
        ("staging", None),
    ]
    labels.move_label(assistant_id=assistant.id, label="beta-testers", number=2)
    labels.move_label(assistant_id=assistant.id, label="beta-testers", number=3)
    labels.move_label(assistant_id=assistant.id, label="beta-testers", number=3)
    labels.move_label(assistant_id=assistant.id, label="production", number=1)
    fresh = selectors.get_assistant(assistant.id)
    assert [label.name for label in selectors.list_labels(fresh)] == ["production", "staging", "beta-testers"]
    assert history(assistant, "beta-testers") == [(None, 2), (2, 3)]
    assert history(assistant, "production") == [(None, 1), (1, 2), (2, 3), (3, 1)]
    assert selectors.get_published_spec("guide").instructions == "1"
    labels.remove_label(assistant_id=assistant.id, label="beta-testers")
    assert history(assistant, "beta-testers")[-1] == (3, None)
    with pytest.raises(NotFound, match="has the label"):
        selectors.get_labelled_spec("guide", "beta-testers")
    done = list(AuditEvent.objects.order_by("-id").values_list("action", flat=True)[:4])
    assert done == [
        "assistant.label_removed",
        "assistant.rolled_back",
        "assistant.label_moved",
        "assistant.label_moved",
    ]


@pytest.mark.parametrize("label", ["Upper", "1st", "draft", "latest", "a b", "", "x" * 41])
def test_words_that_cannot_be_labels(in_tenant_a: Any, label: str) -> None:
    assistant = with_versions(1)
    with pytest.raises(Invalid):
        labels.move_label(assistant_id=assistant.id, label=label, number=1)


def test_who_may_move_which_label(in_tenant_a: Any) -> None:
    """A-01: production takes the right to publish, a protected label the right to protect."""
    open_one, guarded = Assistant(), Assistant(protected_labels=["production"])
    no_publisher = Actor("api_key", None, "key", TenantRef(uuid4(), "a", "A"), frozenset({"assistants.edit"}))
    assert not may_move_label(actor("agent"), open_one, "staging")
    assert may_move_label(no_publisher, open_one, "staging")
    assert not may_move_label(no_publisher, open_one, "production")
    assert may_move_label(actor("editor"), open_one, "production")
    assert not may_move_label(actor("editor"), guarded, "production")
    assert may_move_label(actor("editor"), guarded, "staging")
    assert may_move_label(actor("admin"), guarded, "production")


@pytest.mark.django_db(transaction=True)
def test_every_door_heeds_a_protected_production(api: Api, tenant_a: Any) -> None:
    from apps.tenants.services.api_keys import create_api_key

    create(api)
    api("POST", f"{LIST}guide/publish/")
    api("PATCH", f"{LIST}guide/draft/", {"instructions": "Two."})
    api("POST", f"{LIST}guide/versions/")
    assert api("PUT", f"{LIST}guide/labels/", {"labels": ["production"]}).status_code == 200
    with tenant_tx(tenant_a.tenant.id):
        scopes = ["assistants.view", "assistants.edit", "assistants.publish"]
        token = create_api_key(name="editor", scopes=scopes, created_by=tenant_a.owner).token
    editor = Api({"Authorization": f"Bearer {token}"})
    due = (timezone.now() + timedelta(hours=1)).isoformat()
    refused: list[tuple[str, str, Any]] = [
        ("POST", "publish/", {}),
        ("POST", "rollback/", {"number": 1}),
        ("PUT", "labels/production/", {"number": 2}),
        ("PUT", "rollout/", {"number": 2, "percent": 10}),
        ("DELETE", "rollout/", None),
        ("POST", "scheduled-moves/", {"number": 2, "due_at": due}),
        ("PUT", "labels/", {"labels": []}),
    ]
    for method, path, body in refused:
        assert editor(method, f"{LIST}guide/{path}", body).status_code == 403, path
    assert editor("PUT", f"{LIST}guide/labels/staging/", {"number": 2}).status_code == 200
    assert api("PUT", f"{LIST}guide/labels/production/", {"number": 2}).json()["version"] == 2


def test_a_rollout_is_sticky_fair_and_grows() -> None:
    version, ids = uuid4(), [uuid4() for _ in range(4000)]
    tenth = {one for one in ids if is_chosen(one, version, percent=10)}
    third = {one for one in ids if is_chosen(one, version, percent=30)}
    assert tenth == {one for one in ids if is_chosen(one, version, percent=10)}
    assert tenth < third
    assert 320 < len(tenth) < 480
    assert tenth != {one for one in ids if is_chosen(one, uuid4(), percent=10)}
    assert place_of(UUID(int=1), UUID(int=2)) == pytest.approx(place_of(UUID(int=1), UUID(int=2)))


def test_a_rollout_ends_when_production_moves(in_tenant_a: Any) -> None:
    assistant = with_versions(2)
    labels.move_label(assistant_id=assistant.id, label="production", number=1)
    with pytest.raises(Invalid, match="everybody gets already"):
        rollouts.set_rollout(assistant_id=assistant.id, number=1, percent=20)
    with pytest.raises(Invalid, match="1 to 99"):
        rollouts.set_rollout(assistant_id=assistant.id, number=2, percent=100)
    rollouts.set_rollout(assistant_id=assistant.id, number=2, percent=20)
    met = [selectors.beginning_version(selectors.get_assistant("guide"), uuid4()).number for _ in range(60)]
    assert set(met) == {1, 2}
    versions.rollback(assistant_id=assistant.id, number=1)
    fresh = selectors.get_assistant("guide")
    assert (fresh.rollout_version_id, fresh.rollout_percent) == (None, 0)
    assert {selectors.beginning_version(fresh, uuid4()).number for _ in range(20)} == {1}


def test_a_planned_move_happens_once_when_its_time_has_come(in_tenant_a: Any) -> None:
    assistant = with_versions(1)
    assistants.update_draft(assistant_id=assistant.id, instructions="Later")
    with pytest.raises(Invalid, match="still to come"):
        schedules.schedule_move(assistant_id=assistant.id, label="production", due_at=timezone.now())
    due = timezone.now() + timedelta(hours=1)
    move = schedules.schedule_move(assistant_id=assistant.id, label="production", due_at=due)
    with pytest.raises(Conflict, match="planned already"):
        schedules.schedule_move(assistant_id=assistant.id, label="production", due_at=due)
    assistants.update_draft(assistant_id=assistant.id, instructions="Written after the plan")
    assert schedules.carry_out_move(move_id=move.id) is False
    assert selectors.get_published_spec("guide").number == 1
    ScheduledMove.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert schedules.carry_out_move(move_id=move.id) is True
    assert selectors.get_published_spec("guide").instructions == "Later"
    versions.rollback(assistant_id=assistant.id, number=1)
    assert schedules.carry_out_move(move_id=move.id) is False
    assert selectors.get_published_spec("guide").number == 1
    with pytest.raises(Conflict, match="already"):
        schedules.cancel_move(move_id=move.id)


@pytest.mark.django_db(transaction=True, databases=["default", "platform"])
def test_beat_finds_due_moves_of_every_tenant(two_tenants: Any) -> None:
    """J-01: the row alone says what is due; a second sweep changes nothing."""
    for owner in two_tenants:
        with tenant_tx(owner.tenant.id):
            assistant = with_versions(2)
            due = timezone.now() + timedelta(hours=1)
            schedules.schedule_move(assistant_id=assistant.id, label="staging", number=1, due_at=due)
    sweep_moves()
    for owner in two_tenants:
        with tenant_tx(owner.tenant.id):
            assert selectors.find_label(selectors.get_assistant("guide"), "staging") is None
            ScheduledMove.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    sweep_moves()
    sweep_moves()
    for owner in two_tenants:
        with tenant_tx(owner.tenant.id):
            label = selectors.find_label(selectors.get_assistant("guide"), "staging")
            assert label is not None
            assert label.version.number == 1
            assert ScheduledMove.objects.get().state == "done"


def test_the_json_door_from_label_to_plan(api: Api) -> None:
    create(api)
    api("POST", f"{LIST}guide/publish/")
    api("PATCH", f"{LIST}guide/draft/", {"instructions": "Two."})
    assert api("POST", f"{LIST}guide/versions/", {"note": "Try"}).json()["number"] == 2
    assert api("PUT", f"{LIST}guide/labels/staging/", {"number": 2}).json() == {
        "name": "staging",
        "version": 2,
        "is_protected": False,
    }
    named = {label["name"]: label["version"] for label in api("GET", f"{LIST}guide/labels/").json()["results"]}
    assert named == {"production": 1, "staging": 2}
    assert api("PUT", f"{LIST}guide/rollout/", {"number": 2, "percent": 25}).json()["rollout"]["percent"] == 25
    assert api("GET", f"{LIST}guide/").json()["rollout"] == {"number": 2, "percent": 25}
    assert api("DELETE", f"{LIST}guide/rollout/").status_code == 204
    due = (timezone.now() + timedelta(hours=1)).isoformat()
    planned = api("POST", f"{LIST}guide/scheduled-moves/", {"number": 2, "due_at": due})
    assert planned.status_code == 201, planned.content
    path = f"{LIST}guide/scheduled-moves/{planned.json()['id']}/"
    assert api("DELETE", path).status_code == 204
    assert api("GET", f"{LIST}guide/scheduled-moves/").json()["results"] == []
    moves = api("GET", f"{LIST}guide/label-moves/").json()["results"]
    assert [(move["label"], move["from"], move["to"]) for move in moves] == [
        ("staging", None, 2),
        ("production", None, 1),
    ]
    assert api("PATCH", f"{LIST}guide/", {"follows_newest": True}).json()["follows_newest"] is True
    assert api("DELETE", f"{LIST}guide/labels/production/").status_code == 400
    assert api("PUT", f"{LIST}guide/labels/staging/", {"number": 9}).status_code == 404
