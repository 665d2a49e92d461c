"""The pages: what people see, what they may press, and that a page costs few queries."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.evaluations import selectors
from apps.evaluations.services import cases, datasets, evaluators, running
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx
from tests.factories.tenants import add_member
from tests.fixtures import TenantWithKey

from .conftest import MODEL, Bench, make_rated_answer
from .test_datasets import QUESTION

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform"])

# With session, member, transaction and tenant: the same at one row and at three.
QUERIES = {
    "experiment_list": 10,
    "experiment_detail": 13,
    "dataset_list": 6,
    "dataset_detail": 8,
    "evaluator_list": 6,
}


class Person:
    """A signed-in browser of one member."""

    def __init__(self, slug: str, user: object) -> None:
        self.slug = slug
        self.client = Client()
        self.client.force_login(user)  # type: ignore[arg-type]

    def url(self, name: str, **arguments: object) -> str:
        return reverse(f"evaluations:{name}", kwargs={"tenant_slug": self.slug, **arguments})

    def get(self, name: str, *, status: int = 200, query: str = "", **arguments: object) -> str:
        response = self.client.get(self.url(name, **arguments) + query)
        assert response.status_code == status, response.content[:500]
        return response.content.decode()

    def post(self, name: str, data: dict[str, object], *, status: int = 302, **arguments: object) -> str:
        htmx = bool(data.pop("htmx", False))
        headers = {"HX-Request": "true"} if htmx else {}
        response = self.client.post(self.url(name, **arguments), data, headers=headers)
        assert response.status_code == status, response.content[:500]
        return response.content.decode()


@pytest.fixture
def editor(tenant_a: TenantWithKey) -> Person:
    return Person(tenant_a.tenant.slug, add_member(tenant_a.tenant, "editor@acme.example", "editor"))


@pytest.fixture
def viewer(tenant_a: TenantWithKey) -> Person:
    return Person(tenant_a.tenant.slug, add_member(tenant_a.tenant, "viewer@acme.example", "viewer"))


def test_an_empty_place_says_what_to_do_and_offers_only_what_one_may(editor: Person, viewer: Person) -> None:
    assert "New data set" in editor.get("experiment_list")
    assert "Find out how good the answers are" in viewer.get("experiment_list")
    assert "New data set" not in viewer.get("experiment_list")
    assert "No data sets yet" in viewer.get("dataset_list")
    assert "Choose your first evaluator" in editor.get("evaluator_list")
    assert "No evaluators yet" in viewer.get("evaluator_list")
    assert "no assistant to evaluate" in editor.get("experiment_create")


def test_a_data_set_is_made_filled_and_edited_inline(editor: Person, tenant_a: TenantWithKey) -> None:
    editor.post("dataset_create", {"name": "Support", "description": "First twenty"})
    with tenant_tx(tenant_a.tenant.id):
        dataset = selectors.find_dataset("support")
        assert dataset is not None
    assert "Add the first case" in editor.get("dataset_detail", dataset_id=dataset.id)
    new = {"question": "How many seats?", "expected_facts": "15 seats | fifteen seats", "htmx": True}
    fragment = editor.post("case_add", new, status=200, dataset_id=dataset.id)
    assert "<html" not in fragment
    assert "15 seats | fifteen seats" in fragment
    refused = editor.post("case_add", {"question": " ", "htmx": True}, status=422, dataset_id=dataset.id)
    assert 'aria-invalid="true"' in refused

    with tenant_tx(tenant_a.tenant.id):
        (case,) = selectors.list_cases(dataset.id)
    form = editor.get("case_edit", case_id=case.id)
    (prefix,) = re.findall(r'name="(c[0-9a-f]{8})-question"', form)
    row = editor.post("case_edit", {f"{prefix}-question": "How many desks?", "htmx": True}, status=200, case_id=case.id)
    assert row.strip().startswith("<tr")
    assert "How many desks?" in editor.get("case_row", case_id=case.id)
    editor.post("case_delete", {}, case_id=case.id)
    assert "How many desks?" not in editor.get("dataset_detail", dataset_id=dataset.id)
    editor.post("dataset_edit", {"name": "Sales"}, dataset_id=dataset.id)
    editor.post("dataset_delete", {}, dataset_id=dataset.id)
    editor.get("dataset_detail", dataset_id=dataset.id, status=404)


def test_a_file_with_wrong_rows_names_each_and_imports_none(editor: Person, tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id):
        dataset = datasets.create_dataset(name="Support")
    wrong = SimpleUploadedFile("cases.csv", b"question,notes\nOne?,\n,x\n")
    page = editor.post("case_import", {"file": wrong}, status=422, dataset_id=dataset.id)
    assert "Nothing was imported" in page
    assert "Line 3: Write the question." in page
    assert "Choose a CSV file first" in editor.post("case_import", {}, status=422, dataset_id=dataset.id)
    right = SimpleUploadedFile("cases.csv", b"question\nOne?\nTwo?\n")
    editor.post("case_import", {"file": right}, dataset_id=dataset.id)
    assert "Two?" in editor.get("dataset_detail", dataset_id=dataset.id)


def test_a_rated_answer_becomes_a_case(editor: Person, tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id):
        message_id = make_rated_answer("How many seats?", "No idea.", comment="It is 15.")
    editor.get("case_from_message", status=302, message_id=message_id)
    with tenant_tx(tenant_a.tenant.id):
        dataset = datasets.create_dataset(name="Support")
    page = editor.get("case_from_message", message_id=message_id)
    assert "No idea." in page
    assert "It is 15." in page
    filled = {"dataset": str(dataset.id), "question": "How many seats?", "expected_facts": "15 seats"}
    editor.post("case_from_message", filled, message_id=message_id)
    assert "Rated answer" in editor.get("dataset_detail", dataset_id=dataset.id)


def test_the_form_of_an_evaluator_comes_from_its_kind(editor: Person, tenant_a: TenantWithKey) -> None:
    page = editor.get("evaluator_create", kind="llm_judge")
    assert "Rubric" in page
    assert "addresses the question" in page
    refused = editor.post("evaluator_create", {"name": "Links", "pattern": "("}, status=422, kind="regex")
    assert "not a valid pattern" in refused
    editor.post("evaluator_create", {"name": "Links", "pattern": "https", "expect": "match"}, kind="regex")
    assert "Pattern: https" in editor.get("evaluator_list")
    with tenant_tx(tenant_a.tenant.id):
        (row,) = selectors.list_evaluators()
    editor.post("evaluator_edit", {"name": "Links", "pattern": "ftp", "expect": "no_match"}, evaluator_id=row.id)
    assert "Pattern: ftp" in editor.get("evaluator_list")
    editor.post("evaluator_delete", {}, evaluator_id=row.id)
    editor.get("evaluator_create", kind="magic", status=404)


def test_a_viewer_sees_everything_and_changes_nothing(viewer: Person, tenant_a: TenantWithKey) -> None:
    """A-02 for these pages: the buttons are absent, and the server refuses anyway."""
    with tenant_tx(tenant_a.tenant.id):
        dataset = datasets.create_dataset(name="Support")
        case = cases.add_case(dataset_id=dataset.id, case=QUESTION)
        evaluator = evaluators.create_evaluator(name="Facts", kind="contains")
    page = viewer.get("dataset_detail", dataset_id=dataset.id)
    assert QUESTION.question in page
    assert "Add case" not in page
    assert "Import CSV" not in page
    viewer.get("dataset_create", status=403)
    viewer.get("experiment_create", status=403)
    viewer.post("case_add", {"question": "Mine?"}, status=403, dataset_id=dataset.id)
    viewer.post("case_delete", {}, status=403, case_id=case.id)
    viewer.post("dataset_delete", {}, status=403, dataset_id=dataset.id)
    viewer.post("evaluator_delete", {}, status=403, evaluator_id=evaluator.id)


def test_another_tenants_pages_are_not_there(two_tenants: tuple[TenantWithKey, TenantWithKey]) -> None:
    """T-07 for the pages: neither through one's own address nor through theirs."""
    ours, theirs = two_tenants
    with tenant_tx(theirs.tenant.id):
        dataset = datasets.create_dataset(name="Secret")
        case = cases.add_case(dataset_id=dataset.id, case=QUESTION)
    stranger = Person(ours.tenant.slug, ours.owner)
    stranger.get("dataset_detail", dataset_id=dataset.id, status=404)
    stranger.post("case_add", {"question": "Mine?"}, status=404, dataset_id=dataset.id)
    stranger.post("case_delete", {}, status=404, case_id=case.id)
    stranger.get("case_from_message", message_id=uuid4(), status=404)
    stranger.slug = theirs.tenant.slug
    stranger.get("dataset_detail", dataset_id=dataset.id, status=404)
    with tenant_tx(theirs.tenant.id):
        assert selectors.list_cases(dataset.id).count() == 1


@pytest.fixture
def tester(bench: Bench) -> Person:
    """A person who may run experiments on the bench."""
    from apps.tenants.selectors import get_tenant

    return Person("acme", add_member(get_tenant(bench.tenant_id), "tester@acme.example", "editor"))


def test_an_experiment_is_planned_run_and_read(bench: Bench, fake: FakeProvider, tester: Person) -> None:
    fake.script(MODEL, Script(text="It has **15 seats**. <script>alert(1)</script>"))
    bench.add_cases("How many seats?", facts="15 seats")
    bench.add_cases("What does it cost?", facts="30 dollars")
    bench.add_evaluator("llm_judge")
    form = tester.get("experiment_create", query=f"?dataset={bench.dataset_id}&assistant=guide")
    assert "Support (2 cases)" in form
    chosen = "&".join(f"evaluators={row}" for row in bench.evaluator_ids)
    plan = tester.get("experiment_plan", query=f"?dataset={bench.dataset_id}&{chosen}")
    assert re.search(r">4</strong> model calls", plan)

    refused = tester.post("experiment_create", {"dataset": str(bench.dataset_id)}, status=422)
    assert "This field is required" in refused
    tester.post(
        "experiment_create",
        {
            "version": f"{bench.assistant.id}:draft",
            "dataset": str(bench.dataset_id),
            "evaluators": [str(bench.evaluator_ids[0])],
            "name": "First look",
        },
    )
    with tenant_tx():
        (experiment,) = selectors.list_experiments()
        first, _ = selectors.list_planned_cases(experiment.id)
    assert "First look" in tester.get("experiment_list")
    dashboard = tester.client.get("/t/acme/").content.decode()
    assert "Latest experiment" in dashboard
    assert "1 of 2" in dashboard
    page = tester.get("experiment_detail", experiment_id=experiment.id)
    assert "hx-trigger" not in page.split('id="live"')[1].split(">")[0]
    assert "<script>alert" not in page
    problems = tester.get("experiment_detail", experiment_id=experiment.id, query="?show=problems")
    assert "What does it cost?" in problems
    assert "How many seats?" not in problems
    case = tester.get("experiment_case", planned_case_id=first.id)
    assert "<strong>15 seats</strong>" in case
    assert "<script>alert" not in case
    assert "States 1 of 1 expected facts." in case
    tester.post("experiment_delete", {}, experiment_id=experiment.id)
    tester.get("experiment_detail", experiment_id=experiment.id, status=404)


def test_a_running_experiment_renews_itself_and_can_be_cancelled(bench: Bench, tester: Person) -> None:
    bench.add_cases("One?", "Two?")
    experiment_id = bench.start()
    running.evaluate_case(planned_case_id=bench.planned(experiment_id)[0].id)
    page = tester.get("experiment_detail", experiment_id=experiment_id)
    assert 'hx-trigger="every 2s"' in page
    assert "1 of 2 cases" in page
    tester.post("experiment_cancel", {}, experiment_id=experiment_id)
    assert "Cancelled" in tester.get("experiment_detail", experiment_id=experiment_id)


@pytest.mark.parametrize("count", [1, 3])
def test_the_number_of_queries_does_not_grow_with_the_rows(bench: Bench, tester: Person, count: int) -> None:
    bench.add_cases(*[f"Question {number}?" for number in range(count)])
    for _ in range(count):
        experiment_id = bench.start(is_driven_by_jobs=True)
    with tenant_tx():
        for number in range(count - 1):
            datasets.create_dataset(name=f"More {number}")
    found = {}
    for name, arguments in (
        ("experiment_list", {}),
        ("experiment_detail", {"experiment_id": experiment_id}),
        ("dataset_list", {}),
        ("dataset_detail", {"dataset_id": bench.dataset_id}),
        ("evaluator_list", {}),
    ):
        with CaptureQueriesContext(connection) as queries:
            tester.get(name, **arguments)
        found[name] = len(queries)
    assert found == QUERIES
