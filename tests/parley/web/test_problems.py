"""Problems are sentences in a known shape, never traces."""

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory
from rest_framework import serializers

from parley.errors import Invalid, OverBudget, Problem, TooMany
from parley.web.problems import ProblemMiddleware, api_exception_handler, flatten_errors, problem_response
from tests.fixtures import TenantWithKey


def test_a_problem_document_has_the_members_of_the_standard() -> None:
    response = problem_response(OverBudget("The month's budget is used up.", scope="tenant", resets_at="2026-12-01"))
    assert response.status_code == 402
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.content.startswith(b'{"type": "about:blank", "title"')
    assert b'"scope": "tenant"' in response.content


def test_too_many_says_when_to_come_back() -> None:
    assert problem_response(TooMany("Slow down.", retry_after=2.4)).headers["Retry-After"] == "2"


def test_nested_field_errors_are_flattened() -> None:
    detail = {"a": ["x"], "b": {"c": ["y"]}, "d": [{"e": ["z"]}]}
    assert flatten_errors(detail) == {"a": ["x"], "b.c": ["y"], "d.0.e": ["z"]}


def test_validation_errors_name_their_fields() -> None:
    class Body(serializers.Serializer[None]):
        name = serializers.CharField()

    body = Body(data={})
    assert not body.is_valid()
    response = api_exception_handler(serializers.ValidationError(body.errors), {})
    assert response is not None
    assert response.status_code == 400
    assert response.data["errors"] == {"name": ["This field is required."]}


def test_an_unforeseen_failure_of_the_api_shows_nothing_of_itself() -> None:
    request = RequestFactory().get("/api/v1/anything/")
    middleware = ProblemMiddleware(lambda _: problem_response(Problem("unused")))
    response = middleware.process_exception(request, RuntimeError("secret detail"))
    assert response is not None
    assert response.status_code == 500
    assert b"secret detail" not in response.content  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_unknown_addresses_answer_in_the_callers_language(client: Client) -> None:
    assert client.get("/api/v1/nothing/").headers["Content-Type"] == "application/problem+json"
    page = client.get("/nothing/")
    assert (page.status_code, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_invalid_input_carries_its_sentences() -> None:
    assert Invalid("No.", errors={"name": ["Give a name."]}).extra == {"errors": {"name": ["Give a name."]}}


@pytest.mark.django_db(transaction=True)
def test_a_page_for_people_says_what_is_wrong(client: Client, tenant_a: TenantWithKey) -> None:
    assert client.get("/t/nobody-has-this/").status_code == 302
    client.force_login(tenant_a.owner)
    assert client.get("/t/nobody-has-this/").status_code == 404


@pytest.mark.django_db
def test_nesting_without_end_is_refused_in_a_sentence(client: Client, tenant_a: TenantWithKey) -> None:
    response = client.post(
        "/api/v1/knowledge-bases/", "[" * 100_000, content_type="application/json", headers=tenant_a.headers
    )
    assert (response.status_code, response.json()["detail"]) == (400, "The body is nested too deeply.")


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/v1/assistants/%00/", "/api/v1/conversations/?q=%00"])
def test_an_address_with_a_nul_leads_nowhere(client: Client, tenant_a: TenantWithKey, path: str) -> None:
    assert client.get(path, headers=tenant_a.headers).status_code == 404


@pytest.mark.django_db
def test_a_wrong_method_is_named(client: Client, tenant_a: TenantWithKey) -> None:
    response = client.put("/api/v1/assistants/", {}, content_type="application/json", headers=tenant_a.headers)
    assert response.status_code == 405
    assert response.json()["title"] == "Method Not Allowed"


@pytest.mark.django_db
def test_a_forgotten_slash_loses_no_body(client: Client, tenant_a: TenantWithKey) -> None:
    body = {"name": "Docs"}
    response = client.post(
        "/api/v1/knowledge-bases", body, content_type="application/json", headers=tenant_a.headers, follow=True
    )
    assert response.redirect_chain == [("/api/v1/knowledge-bases/", 308)]
    assert (response.status_code, response.json()["name"]) == (201, "Docs")
