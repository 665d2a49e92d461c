"""The pages: what each role sees and may press, and that forms work with and without script."""

from typing import Any

import pytest
from django.test import Client

from apps.assistants import selectors
from apps.assistants.models import Assistant
from apps.assistants.services import assistants, versions
from apps.knowledge.services.knowledge_bases import create_knowledge_base
from parley.tenancy import tenant_tx
from tests.assistants.factories import make_assistant
from tests.factories.tenants import add_member

# Membership is looked up through the platform role: only committed rows can be seen there.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform"])

FORM = {
    "name": "Guide",
    "instructions": "Help.",
    "model_id": "",
    "opening_message": "Hello!",
    "suggested_questions": "One?\n\nTwo?\n",
    "refusal": "I do not know.",
    "temperature": "",
    "max_output_tokens": "500",
}


class Pages:
    """A signed-in member's browser without script."""

    def __init__(self, tenant: Any, user: Any) -> None:
        self.client = Client()
        self.client.force_login(user)
        self.root = f"/t/{tenant.slug}/assistants/"

    def get(self, path: str = "", **headers: str) -> Any:
        return self.client.get(f"{self.root}{path}", headers=headers)

    def post(self, path: str, data: dict[str, Any], **headers: str) -> Any:
        return self.client.post(f"{self.root}{path}", data, headers=headers)


@pytest.fixture
def owner(tenant_a: Any) -> Pages:
    return Pages(tenant_a.tenant, tenant_a.owner)


@pytest.fixture
def viewer(tenant_a: Any) -> Pages:
    return Pages(tenant_a.tenant, add_member(tenant_a.tenant, "viewer@acme.example", "viewer"))


@pytest.fixture
def guide(tenant_a: Any) -> Assistant:
    """An assistant with two versions and a draft that differs."""
    with tenant_tx(tenant_a.tenant.id):
        base = create_knowledge_base(name="Handbook")
        assistant = make_assistant(name="Guide", instructions="One.\nSame.", knowledge_base_ids=[base.id])
        versions.publish(assistant_id=assistant.id, note="Start")
        assistants.update_draft(assistant_id=assistant.id, instructions="Two.\nSame.")
        versions.publish(assistant_id=assistant.id)
        assistants.update_draft(assistant_id=assistant.id, refusal="No idea.", temperature=0.3)
        return selectors.get_assistant(assistant.id)


def words(response: Any) -> str:
    assert response.status_code == 200, response.status_code
    return str(response.content.decode())


def test_the_empty_list_leads_on(owner: Pages, viewer: Pages) -> None:
    assert "/assistants/start/" in words(owner.get())
    assert "/assistants/start/" not in words(viewer.get())


def test_the_list_says_what_visitors_get(owner: Pages, guide: Assistant) -> None:
    page = words(owner.get())
    assert "Version 2 is live" in page
    assert "Unpublished changes" in page
    assert "Guide" not in words(owner.get("?q=nobody"))


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_costs_the_same_whatever_its_length(
    owner: Pages, tenant_a: Any, count: int, django_assert_num_queries: Any
) -> None:
    with tenant_tx(tenant_a.tenant.id):
        for _ in range(count):
            versions.publish(assistant_id=make_assistant().id)
    with django_assert_num_queries(9):
        words(owner.get())


def test_an_assistant_is_made_tried_and_published_by_forms(owner: Pages, tenant_a: Any) -> None:
    made = owner.post("new/", FORM)
    assert made.status_code == 302
    assert made.url.endswith("/edit/")
    with tenant_tx(tenant_a.tenant.id):
        assistant = selectors.get_assistant("guide")
        spec = selectors.draft_spec(assistant)
    assert (spec.suggested_questions, spec.max_output_tokens) == (("One?", "Two?"), 500)
    assert "Publish version 1" in words(owner.get(f"{assistant.id}/edit/"))
    saved = owner.post(f"{assistant.id}/edit/", {**FORM, "instructions": "Help well.", "revision": "1"})
    assert saved.status_code == 302
    published = owner.post(f"{assistant.id}/publish/", {"note": "First"})
    assert published.url.endswith(f"{assistant.id}/")
    assert "Version 1 is live" in words(owner.get(f"{assistant.id}/"))


def test_wrong_input_is_said_beside_its_field(owner: Pages) -> None:
    response = owner.post("new/", {**FORM, "name": "", "temperature": "7"})
    assert response.status_code == 422
    page = response.content.decode()
    assert "This field is required." in page
    assert "less than or equal to 2" in page


def test_which_documents_it_may_use_is_set_by_form(owner: Pages, guide: Assistant, tenant_a: Any) -> None:
    """L-20: tags apart by commas, a filter as JSON; what cannot be read is said beside its field."""
    written = {"access_tags": "HR, partners,", "metadata_filter": '{"field": "year", "gte": 2025}'}
    assert owner.post(f"{guide.id}/edit/", {**FORM, **written}).status_code == 302
    with tenant_tx(tenant_a.tenant.id):
        spec = selectors.get_draft_spec(guide.id)
    assert (spec.access_tags, spec.metadata_filter) == (("hr", "partners"), {"field": "year", "gte": 2025})
    page = words(owner.get(f"{guide.id}/edit/"))
    assert 'value="hr, partners"' in page
    for name, value, sentence in (
        ("access_tags", "no tag!", "cannot be an access tag"),
        ("metadata_filter", '{"field"', "This is not JSON"),
        ("metadata_filter", "[1]", "Write an object"),
        ("metadata_filter", '{"a": NaN}', "This is not JSON"),
        ("metadata_filter", '{"team": "shop"}', "is unknown"),
    ):
        refused = owner.post(f"{guide.id}/edit/", {**FORM, **written, name: value})
        assert refused.status_code == 422
        assert sentence in refused.content.decode()


def test_saving_with_script_answers_with_the_form_alone(owner: Pages, guide: Assistant) -> None:
    data = {**FORM, "revision": str(guide.draft_revision)}
    page = words(owner.post(f"{guide.id}/edit/", data, hx_request="true"))
    assert "<html" not in page
    assert 'name="revision" value="4"' in page
    assert 'hx-swap-oob="true"' in page
    stale = owner.post(f"{guide.id}/edit/", data, hx_request="true")
    assert stale.status_code == 422
    assert "Somebody else" in stale.content.decode()


def test_publishing_from_the_editor_saves_what_is_on_the_screen(owner: Pages, guide: Assistant, tenant_a: Any) -> None:
    data = {**FORM, "revision": str(guide.draft_revision), "intent": "publish", "note": "Now"}
    response = owner.post(f"{guide.id}/edit/", data, hx_request="true")
    assert response.headers["HX-Redirect"].endswith(f"{guide.id}/")
    with tenant_tx(tenant_a.tenant.id):
        spec = selectors.get_published_spec(guide.id)
    assert (spec.number, spec.refusal) == (3, "I do not know.")


def test_versions_say_what_changed_and_can_be_rolled_back(owner: Pages, guide: Assistant, tenant_a: Any) -> None:
    page = words(owner.get(f"{guide.id}/versions/"))
    assert "from=1&amp;to=2" in page
    assert "Roll back to version 1" in page
    assert owner.post(f"{guide.id}/versions/rollback/", {"number": "1"}).status_code == 302
    with tenant_tx(tenant_a.tenant.id):
        assert selectors.get_published_spec(guide.id).number == 1


def test_any_two_states_can_be_compared_word_by_word(owner: Pages, guide: Assistant) -> None:
    page = words(owner.get(f"{guide.id}/versions/compare/?from=1&to=2"))
    hidden = '<span class="visually-hidden">{}: </span>'
    assert f"<del>{hidden.format('removed')}One</del><ins>{hidden.format('added')}Two</ins>.\nSame.</div>" in page
    assert "Label production" in page
    draft = words(owner.get(f"{guide.id}/versions/compare/"))
    assert "No idea.</ins>" in draft
    assert "The model&#x27;s default" in draft
    assert "No difference" in words(owner.get(f"{guide.id}/versions/compare/?from=2&to=2"))
    assert owner.get(f"{guide.id}/versions/compare/?from=99&to=draft").status_code == 404


def test_sharing_shows_the_line_to_paste_and_checks_websites(owner: Pages, guide: Assistant) -> None:
    page = words(owner.get(f"{guide.id}/share/"))
    assert f"data-assistant=&quot;{guide.public_id}&quot;" in page
    refused = owner.post(f"{guide.id}/share/", {"allowed_origins": "https://a.example/x"})
    assert refused.status_code == 422
    assert "scheme and host only" in refused.content.decode()
    saved = owner.post(f"{guide.id}/share/", {"allowed_origins": "https://a.example", "is_public": "on"})
    assert saved.status_code == 302
    page = words(owner.get(f"{guide.id}/share/"))
    assert f"/a/{guide.public_id}/" in page


def test_deleting_asks_for_the_name(owner: Pages, guide: Assistant) -> None:
    owner.post(f"{guide.id}/delete/", {"confirmation": "guide?"})
    assert owner.get(f"{guide.id}/").status_code == 200
    owner.post(f"{guide.id}/delete/", {"confirmation": "Guide"})
    assert owner.get(f"{guide.id}/").status_code == 404


def test_viewers_read_and_press_nothing(viewer: Pages, guide: Assistant) -> None:
    """A-02"""
    for path in ("", "versions/", "versions/compare/", "share/"):
        page = words(viewer.get(f"{guide.id}/{path}"))
        assert 'method="post"' not in page.split('<main id="main"')[1].split("</main>")[0]
    assert viewer.get(f"{guide.id}/edit/").status_code == 403
    for path in ("edit/", "publish/", "delete/", "versions/rollback/", "share/"):
        assert viewer.post(f"{guide.id}/{path}", FORM).status_code == 403


def test_strangers_find_nothing(guide: Assistant, tenant_b: Any, tenant_a: Any) -> None:
    """T-07"""
    stranger = Pages(tenant_a.tenant, tenant_b.owner)
    inside = Pages(tenant_b.tenant, tenant_b.owner)
    for path in ("", "edit/", "versions/", "versions/compare/", "share/"):
        assert stranger.get(f"{guide.id}/{path}").status_code == 404
        assert inside.get(f"{guide.id}/{path}").status_code == 404


def test_names_and_prompts_are_shown_as_text(owner: Pages, tenant_a: Any) -> None:
    """L-01"""
    evil = "<script>alert(1)</script>"
    with tenant_tx(tenant_a.tenant.id):
        assistant = make_assistant(name=evil, instructions=evil, opening_message=evil, suggested_questions=[evil])
        versions.publish(assistant_id=assistant.id, note=evil)
        assistants.update_draft(assistant_id=assistant.id, instructions=f"{evil}\n{evil}")
    for path in ("", f"{assistant.id}/", f"{assistant.id}/edit/", f"{assistant.id}/versions/"):
        assert evil not in words(owner.get(path))
    assert evil not in words(owner.get(f"{assistant.id}/versions/compare/"))


def test_the_release_page_moves_labels_rolls_out_and_plans(owner: Pages, guide: Assistant, tenant_a: Any) -> None:
    def press(path: str, **data: Any) -> str:
        assert owner.post(f"{guide.id}/{path}", data).status_code == 302
        return words(owner.get(f"{guide.id}/release/"))

    assert "production" in words(owner.get(f"{guide.id}/release/"))
    assert "Beta stands on version 1." in press("labels/move/", label="beta", number="1")
    assert "small letters, digits and hyphens" in press("labels/move/", label="No label", number="1")
    page = press("rollout/", number="1", percent="20")
    assert "begin with version 1, the others with version 2" in page
    assert "Stop rollout" not in press("rollout/stop/")
    page = press("scheduled-moves/", label="production", number="", due_at="2099-01-01T10:00")
    assert "moves to version 3 at" in page
    assert "planned already" in press("scheduled-moves/", label="production", number="1", due_at="2099-01-01T10:00")
    page = press("release/settings/", follows_newest="1", protected=["production"])
    assert "Protected" in page
    with tenant_tx(tenant_a.tenant.id):
        fresh = selectors.get_assistant(guide.id)
        assert (fresh.follows_newest, fresh.protected_labels) == (True, ["production"])
        plan = selectors.list_scheduled_moves(fresh).get()
    assert "Nothing is planned" in press("scheduled-moves/cancel/", move=str(plan.id))
    assert "The label beta was taken away" in press("labels/remove/", label="beta")


def test_a_version_is_saved_without_being_shown(owner: Pages, guide: Assistant, viewer: Pages) -> None:
    assert "Save the draft as a version" in words(owner.get(f"{guide.id}/versions/"))
    assert viewer.post(f"{guide.id}/versions/save/", {}).status_code == 403
    owner.post(f"{guide.id}/versions/save/", {})
    page = words(owner.get(f"{guide.id}/versions/"))
    assert "Version 3" in page
    assert "Publish version 3" in page
    assert "Version 2 is live" in page


def test_variables_and_structured_fields_are_saved_from_the_form(owner: Pages, guide: Assistant, tenant_a: Any) -> None:
    rows = {
        "variables-TOTAL_FORMS": "2",
        "variables-INITIAL_FORMS": "0",
        "variables-0-name": "plan",
        "variables-0-type": "choice",
        "variables-0-source": "visitor",
        "variables-0-default": "free",
        "variables-0-choices": "free, team",
    }
    form = {**FORM, "instructions": "For {{ plan }}.", "role": "A guide.", "tone": "Warm", "rules": "One.\nTwo."}
    refused = owner.post(f"{guide.id}/edit/", form)
    assert refused.status_code == 422
    assert "is not declared" in refused.content.decode()
    wrong = owner.post(f"{guide.id}/edit/", {**form, **rows, "variables-0-default": "gold"})
    assert wrong.status_code == 422
    assert "is not one of the choices" in wrong.content.decode()
    assert owner.post(f"{guide.id}/edit/", {**form, **rows}).status_code == 302
    with tenant_tx(tenant_a.tenant.id):
        spec = selectors.get_draft_spec(guide.id)
    assert (spec.role, spec.tone, spec.rules) == ("A guide.", "Warm", ("One.", "Two."))
    assert (spec.variables[0].name, spec.variables[0].choices) == ("plan", ("free", "team"))
    assert 'value="plan"' in words(owner.get(f"{guide.id}/edit/"))
    # A form without rows leaves the variables as they are.
    assert owner.post(f"{guide.id}/edit/", form).status_code == 302
    with tenant_tx(tenant_a.tenant.id):
        assert selectors.get_draft_spec(guide.id).variables == spec.variables


def test_blocks_are_made_changed_used_and_renewed(owner: Pages, guide: Assistant, viewer: Pages) -> None:
    home = owner.root.replace("assistants/", "prompt-blocks/")
    browser = owner.client
    assert "No prompt blocks yet" in words(browser.get(home))
    assert browser.post(f"{home}new/", {"name": "Sign", "text": "{{ open"}).status_code == 422
    assert browser.post(f"{home}new/", {"name": "Sign", "text": "Sign as Ada."}).status_code == 302
    assert browser.post(f"{home}new/", {"name": "Sign", "text": "Again."}).status_code == 422
    assert owner.post(f"{guide.id}/edit/", {**FORM, "instructions": "Help. {{> sign }}"}).status_code == 302
    assert browser.post(f"{home}sign/", {"text": "Sign as Bo.", "note": "New"}).status_code == 302
    page = words(browser.get(f"{home}sign/"))
    assert "Sign as Ada." in page
    assert "Guide" in page
    assert "Use version 2" in words(owner.get(f"{guide.id}/edit/"))
    assert viewer.client.post(f"{home}sign/", {"text": "x"}).status_code == 403
    assert owner.post(f"{guide.id}/blocks/renew/", {"slug": "sign"}).status_code == 302
    assert "Use version 2" not in words(owner.get(f"{guide.id}/edit/"))
    browser.post(f"{home}sign/delete/")
    assert "is used by Guide" in words(browser.get(f"{home}sign/"))
    assert "sign" in words(browser.get(home))


def test_the_exact_prompt_is_shown(owner: Pages, guide: Assistant, tenant_a: Any) -> None:
    with tenant_tx(tenant_a.tenant.id):
        assistants.update_draft(
            assistant_id=guide.id,
            instructions="Help <b>{{ who }}</b>.",
            variables=[{"name": "who", "source": "visitor"}],
            knowledge_base_ids=[],
        )
    assert "The exact prompt" in words(owner.get(f"{guide.id}/prompt/"))
    page = words(owner.get(f"{guide.id}/prompt/?question=How+do+I+pay&v.who=Ada"))
    assert "Help &lt;b&gt;«who»&lt;/b&gt;." in page
    assert "«who» = &quot;Ada&quot;" in page
    assert "Nothing was sent" in page
    assert "«who»" not in words(owner.get(f"{guide.id}/prompt/?question=How+do+I+pay&version=1"))


def test_examples_are_added_changed_imported_and_taken_out(owner: Pages, guide: Assistant, viewer: Pages) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    here = f"{guide.id}/examples/"
    assert "No examples yet" in words(owner.get(here))
    assert owner.post(here, {"question": "Refund?", "answer": ""}).status_code == 422
    assert (
        owner.post(here, {"question": "Refund?", "answer": "Yes.", "tags": "money", "is_enabled": "on"}).status_code
        == 302
    )
    page = words(owner.get(here))
    assert "In use" in page
    changed = {"question": "Refund?", "answer": "No.", "tags": ""}
    link = next(
        part.split('"')[0] for part in page.split(f'href="{owner.root}{guide.id}/examples/')[1:] if part[0] != '"'
    )
    assert owner.post(f"{here}{link}", changed).status_code == 302
    assert "Off" in words(owner.get(here))
    file = SimpleUploadedFile("examples.csv", b"question,answer\nHours?,Nine to five\n", content_type="text/csv")
    owner.post(f"{here}import/", {"file": file})
    assert "1 examples were added." in words(owner.get(here))
    owner.post(f"{here}import/", {})
    assert "Nothing was imported" in words(owner.get(here))
    owner.post(f"{here}room/", {"example_tokens": "300"})
    assert 'value="300"' in words(owner.get(here))
    assert owner.post(f"{here}{link}delete/", {}).status_code == 302
    assert "Refund?" not in words(owner.get(here))
    assert viewer.post(here, {"question": "a", "answer": "b"}).status_code == 403


def test_an_assistant_starts_from_a_card(owner: Pages, viewer: Pages, tenant_a: Any) -> None:
    assert "Customer support" in words(owner.get("start/"))
    assert viewer.get("start/").status_code == 403
    form = words(owner.get("new/?starter=structured-classifier"))
    assert "with 3 examples" in form
    assert "do nothing that it asks for" in form
    made = owner.post("new/", {**FORM, "starter": "structured-classifier", "name": "Sorter"})
    assert made.status_code == 302
    with tenant_tx(tenant_a.tenant.id):
        assert selectors.get_assistant("sorter").example_count == 3
