"""Failures before and inside views are pages in the product's clothes, with a way on."""

from __future__ import annotations

import json

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings

from parley.errors import Conflict
from parley.web.problems import bad_request, permission_denied, problem_page, server_error


def _words(response: HttpResponse) -> str:
    return response.content.decode()


@override_settings(DATA_UPLOAD_MAX_NUMBER_FIELDS=5)
@pytest.mark.django_db
def test_a_form_that_is_too_large_says_so() -> None:
    response = Client().post("/accounts/login/", {f"field{number}": "x" for number in range(10)})
    assert response.status_code == 413
    assert "That is too large" in _words(response)


def test_bad_requests_and_refusals_are_pages_for_people_and_documents_for_programs() -> None:
    page = RequestFactory().get("/t/acme/")
    assert "made no sense to us" in _words(bad_request(page, SuspiciousOperation("x")))
    assert "does not allow this" in _words(permission_denied(page, PermissionDenied()))
    api = RequestFactory().get("/api/v1/assistants/")
    assert bad_request(api, SuspiciousOperation("x")).headers["Content-Type"] == "application/problem+json"
    assert json.loads(permission_denied(api, PermissionDenied()).content)["status"] == 403


def test_htmx_is_told_the_sentence_as_a_toast() -> None:
    request = RequestFactory().post("/t/acme/x/", headers={"HX-Request": "true"})
    response = problem_page(request, Conflict("This is the only owner."))
    assert response.status_code == 409
    assert json.loads(response.headers["HX-Trigger"])["toast"]["text"] == "This is the only owner."
    assert "HX-Trigger" not in problem_page(RequestFactory().post("/t/acme/x/"), Conflict("x")).headers


def test_the_last_resort_needs_nothing() -> None:
    """No session, no user, no database: rendering must not touch them."""
    response = server_error(RequestFactory().get("/t/acme/"))
    assert response.status_code == 500
    assert "Something went wrong on our side" in _words(response)
