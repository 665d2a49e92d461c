"""Assistants to start from: each is valid as it is, and brings its examples and its test set."""

from typing import Any

import pytest

from apps.assistants import selectors
from apps.assistants.services.starting import start_from
from apps.assistants.starters import STARTERS
from apps.evaluations.models import Case, Dataset
from parley.errors import Invalid
from parley.web.templatetags.ui import icon
from tests.assistants.test_api import LIST, Api

pytestmark = pytest.mark.django_db


def test_every_starter_makes_a_valid_assistant_with_a_test_set(in_tenant_a: Any) -> None:
    for starter in STARTERS:
        assistant = start_from(starter=starter.key)
        draft = selectors.draft_spec(selectors.get_assistant(assistant.id))
        assert draft.instructions == starter.fields["instructions"]
        assert draft.examples == starter.examples
        assert draft.variables == starter.variables
        assert icon(starter.icon)
        dataset = Dataset.objects.get(name__contains=f"({assistant.slug})")
        cases = list(Case.objects.filter(dataset=dataset).values_list("question", flat=True))
        assert sorted(cases) == sorted(case.question for case in starter.cases)
    assert len(STARTERS) == 7
    again = start_from(starter="tutor", name="Tutor")
    assert Dataset.objects.filter(name__contains=f"({again.slug})").count() == 1


def test_what_is_said_wins_over_the_starter(in_tenant_a: Any) -> None:
    assistant = start_from(starter="tutor", name="Ada's tutor", instructions="Teach.", variables=[])
    assert (assistant.name, assistant.instructions, assistant.tone) == (
        "Ada's tutor",
        "Teach.",
        "Warm, never condescending",
    )
    with pytest.raises(Invalid, match="There is no starter"):
        start_from(starter="nothing")


def test_the_json_door_starts_from_one(tenant_a: Any) -> None:
    api = Api(tenant_a.headers)
    listed = api("GET", "/api/v1/assistant-starters/").json()["results"]
    assert [one["key"] for one in listed] == [starter.key for starter in STARTERS]
    made = api("POST", LIST, {"starter": "structured-classifier", "name": "Sorter"})
    assert made.status_code == 201, made.content
    assert (made.json()["slug"], made.json()["temperature"], made.json()["example_count"]) == ("sorter", 0.0, 3)
    missing = api("POST", LIST, {"name": "Without instructions"})
    assert missing.status_code == 400
    assert "instructions" in missing.json()["errors"]
