"""What forms of several apps share: fields, and the way of a service's refusal back to the form that asked for it."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BaseForm

from parley.errors import Problem


class NamesField(forms.CharField):
    """Names apart by commas, as a list."""

    def to_python(self, value: Any) -> Any:
        """The names that were written."""
        names = value if isinstance(value, list | tuple) else str(value or "").split(",")
        return [name.strip() for name in names if name.strip()]

    def prepare_value(self, value: Any) -> Any:
        """The names as they are written."""
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def run_validators(self, value: Any) -> None:
        """The services know what may be a name."""


class JsonObjectField(forms.CharField):
    """A JSON object that is typed; None for nothing."""

    widget = forms.Textarea(attrs={"rows": 2, "class": "mono", "spellcheck": "false"})

    def to_python(self, value: Any) -> Any:
        """The object that was written. Raises `ValidationError` with the place where reading stopped."""
        text = str(value or "").strip()
        if not text:
            return None
        try:
            read = json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, character {error.colno}"
            raise ValidationError(f"This is not JSON: something is wrong at {place}.") from error
        except (ValueError, RecursionError) as error:
            raise ValidationError("This is not JSON.") from error
        if not isinstance(read, dict):
            raise ValidationError("Write an object, which begins with { and ends with }.")
        return read or None

    def prepare_value(self, value: Any) -> Any:
        """The object as it is written."""
        return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) and value else value or ""

    def run_validators(self, value: Any) -> None:
        """The services know what may be in it."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def add_problem(form: BaseForm, problem: Problem) -> None:
    """Put a problem's sentences beside the fields they name, and the rest above the form."""
    errors = problem.extra.get("errors", {})
    known = {field: sentences for field, sentences in errors.items() if field in form.fields}
    for field, sentences in known.items():
        form.add_error(field, list(sentences))
    if not known:
        form.add_error(None, problem.detail)
