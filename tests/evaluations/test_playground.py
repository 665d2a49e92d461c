"""The playground: candidates side by side, what they took, and keeping the better one."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import AsyncClient

from apps.assistants import selectors as assistants
from apps.assistants.services.versions import publish
from apps.evaluations import selectors
from apps.evaluations.services.answering import Answered, ask
from apps.evaluations.services.trials import Candidate
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx
from tests.factories.tenants import add_member

from .conftest import MODEL, Bench
from .test_pages import Person

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform"])

QUESTION = "How many seats are in the Team plan?"


@pytest.fixture
def editor(bench: Bench) -> Person:
    from apps.tenants.selectors import get_tenant

    return Person("acme", add_member(get_tenant(bench.tenant_id), "tester@acme.example", "editor"))


def _column(bench: Bench, prefix: str = "", version: str = "draft", **settings: Any) -> dict[str, Any]:
    values = {"version": f"{bench.assistant.id}:{version}", **settings}
    return {f"{prefix}{name}": value for name, value in values.items()}


def test_the_live_version_stands_beside_the_draft(bench: Bench, editor: Person) -> None:
    with tenant_tx():
        publish(assistant_id=bench.assistant.id)
    page = editor.get("playground")
    assert f'value="{bench.assistant.id}:1" selected' in page
    assert f'value="{bench.assistant.id}:draft" selected' in page


def test_another_column_begins_like_the_last_and_asks_nobody(bench: Bench, editor: Person, fake: FakeProvider) -> None:
    typed = {"question": QUESTION, "columns": "3", **_column(bench, "c0-"), **_column(bench, "c1-", temperature="0.4")}
    page = editor.post("playground", typed, status=200)
    assert page.count('value="0.4"') == 2
    assert QUESTION in page
    assert "data-trial" not in page
    assert fake.calls == []


def test_a_question_is_asked_in_every_column(bench: Bench, editor: Person) -> None:
    typed = {"question": QUESTION, "column_count": "2", **_column(bench, "c0-"), **_column(bench, "c1-")}
    page = editor.post("playground", typed, status=200)
    assert page.count("data-trial ") == 2
    assert page.count(f'name="question" value="{QUESTION}"') == 2


def test_a_saved_set_is_asked_row_by_row(bench: Bench, editor: Person) -> None:
    bench.add_cases("One?", "Two?")
    typed = {"dataset": str(bench.dataset_id), "column_count": "1", **_column(bench, "c0-")}
    page = editor.post("playground", typed, status=200)
    assert [page.index("One?") < page.index("Two?"), page.count("data-trial ")] == [True, 2]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"question": ""}, "Write a question, or choose a saved set."),
        ({"c0-version": "nobody:draft"}, "no such assistant"),
        ({"c0-temperature": "9"}, "less than or equal to 2"),
        ({"c0-model": "model:x"}, "Choose a model from the list."),
    ],
)
def test_what_cannot_be_asked_is_explained(
    bench: Bench, editor: Person, changed: dict[str, str], sentence: str
) -> None:
    typed: dict[str, object] = {"question": QUESTION, "column_count": "1", **_column(bench, "c0-"), **changed}
    assert sentence in editor.post("playground", typed, status=422)


def test_words_come_one_by_one_and_the_end_says_what_it_took(bench: Bench, editor: Person, fake: FakeProvider) -> None:
    fake.script(MODEL, Script(text="Fifteen seats it is."))
    frames = asyncio.run(_stream(editor, {"question": QUESTION, **_column(bench, temperature="0.3")}))
    said = "".join(frame["text"] for frame in frames if frame["type"] == "delta")
    assert said == "Fifteen seats it is."
    html = frames[-1]["html"]
    assert "Fifteen seats it is." in html
    assert "First words" in html
    assert "Exactly what was sent" in html
    assert "Help people." in html
    assert fake.calls[-1].body["temperature"] == 0.3
    ((purpose, cost),) = bench.ledger()
    assert (purpose, cost > 0) == ("evaluation", True)


async def _stream(person: Person, data: dict[str, Any]) -> list[dict[str, Any]]:
    client = AsyncClient()
    client.cookies = person.client.cookies
    response = await client.post(person.url("playground_answer"), data, headers={"Accept": "text/event-stream"})
    assert response.status_code == 200
    parts: Any = response
    body = b"".join([part async for part in parts.streaming_content])
    return [json.loads(part.removeprefix("data: ")) for part in body.decode().split("\n\n") if part]


def test_without_script_the_answer_is_a_page(bench: Bench, editor: Person, fake: FakeProvider) -> None:
    fake.script(MODEL, Script(text="Fifteen seats it is."))
    page = editor.post("playground_answer", {"question": QUESTION, **_column(bench)}, status=200)
    assert "Fifteen seats it is." in page
    assert "</html>" in page


def test_a_provider_that_fails_is_a_sentence_in_its_cell(bench: Bench, editor: Person, fake: FakeProvider) -> None:
    fake.script(MODEL, Script(fault="401"))
    page = editor.post("playground_answer", {"question": QUESTION, **_column(bench)}, status=200)
    assert 'class="message-error"' in page


def test_a_reader_who_leaves_pays_for_the_words_so_far(bench: Bench, fake: FakeProvider) -> None:
    fake.script(MODEL, Script(text="one two three four five six", token_delay=0.05))

    with tenant_tx():
        version = selectors.get_version(assistant="guide", version="draft")

    async def leave_early() -> None:
        async for event in (events := ask(version=version, question=QUESTION)):
            if getattr(event, "text", ""):
                break
        await events.aclose()

    asyncio.run(leave_early())
    ((_, cost),) = bench.ledger()
    assert cost > 0


def test_the_answer_says_what_the_ledger_says(bench: Bench, fake: FakeProvider) -> None:
    async def whole() -> Answered:
        return [event async for event in ask(version=version, question=QUESTION)][-1]  # type: ignore[return-value] # always the last

    with tenant_tx():
        version = selectors.get_version(assistant="guide", version="draft")
    answered = asyncio.run(whole())
    assert [answered.cost] == [cost for _, cost in bench.ledger()]
    assert 0 < answered.first_words_ms <= answered.latency_ms


def test_use_this_makes_the_candidate_the_draft(bench: Bench, editor: Person) -> None:
    with tenant_tx():
        publish(assistant_id=bench.assistant.id)
    editor.post("playground_use", _column(bench, version="1", temperature="0.7", max_output_tokens="99"))
    with tenant_tx():
        draft = assistants.get_draft_spec("guide")
        assert (draft.temperature, draft.max_output_tokens, draft.instructions) == (0.7, 99, "Help people.")
        assert assistants.get_published_spec("guide").temperature is None


def test_save_as_version_shows_it_to_nobody(bench: Bench, editor: Person) -> None:
    with tenant_tx():
        publish(assistant_id=bench.assistant.id)
    for _ in range(2):
        editor.post("playground_use", {**_column(bench, temperature="0.7"), "save": "1"})
    with tenant_tx():
        row = assistants.get_assistant("guide")
        assert [version.number for version in assistants.list_versions(row)] == [2, 1]
        assert assistants.get_published_spec("guide").number == 1


def test_who_may_only_look_cannot_ask(bench: Bench) -> None:
    from apps.tenants.selectors import get_tenant

    viewer = Person("acme", add_member(get_tenant(bench.tenant_id), "viewer@acme.example", "viewer"))
    viewer.get("playground", status=403)
    viewer.post("playground_answer", {"question": QUESTION, **_column(bench)}, status=403)
    viewer.post("playground_use", _column(bench), status=403)


def test_a_chosen_model_takes_the_place_of_a_route(bench: Bench) -> None:
    with tenant_tx():
        version = selectors.get_version(assistant="guide", version="draft")
    candidate = Candidate(version, model_id=bench.model.id, max_output_tokens=5)
    assert (candidate.spec.model_id, candidate.spec.route_id) == (bench.model.id, None)
    assert candidate.spec.max_output_tokens == 5
    assert Candidate(version).spec == version
    assert Decimal(str(candidate.spec.max_output_tokens)) == 5
