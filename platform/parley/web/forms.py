"""Carries what a service refused back to the form that asked for it."""

from __future__ import annotations

from django.forms import BaseForm

from parley.errors import Problem


def add_problem(form: BaseForm, problem: Problem) -> None:
    """Put a problem's sentences beside the fields they name, and the rest above the form."""
    errors = problem.extra.get("errors", {})
    known = {field: sentences for field, sentences in errors.items() if field in form.fields}
    for field, sentences in known.items():
        form.add_error(field, list(sentences))
    if not known:
        form.add_error(None, problem.detail)
