"""The forms of the playground: what is asked, and who answers in each column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms

from apps.evaluations import selectors
from apps.evaluations.services.fields import QUESTION_LENGTH
from apps.evaluations.services.trials import Candidate
from apps.evaluations.ui.forms import Choices
from parley.errors import Problem
from parley.web.forms import add_problem

_HOTTEST, _LONGEST = 2.0, 32_000
_OWN = "As the version says"


class _SayingForm(forms.Form):
    @property
    def first_error(self) -> str:
        """The first sentence about what is wrong."""
        return next(str(sentence) for sentences in self.errors.values() for sentence in sentences)


class QuestionForm(_SayingForm):
    """One question, or those of a data set."""

    question = forms.CharField(
        required=False,
        max_length=QUESTION_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "Ask what a visitor would ask"}),
    )
    dataset = forms.ChoiceField(required=False, label="Or ask a saved set")

    def __init__(self, *args: Any, datasets: Sequence[tuple[str, Any]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["dataset"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "No set: ask the question above"), *datasets]

    def clean(self) -> dict[str, Any]:
        """Either will do."""
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors and not cleaned.get("question") and not cleaned.get("dataset"):
            self.add_error("question", "Write a question, or choose a saved set.")
        return cleaned


class ColumnForm(_SayingForm):
    """Who answers: a state of an assistant, and what is tried in place of its own settings."""

    version = forms.CharField(label="Assistant", widget=forms.Select)
    model = forms.CharField(required=False, widget=forms.Select)
    temperature = forms.FloatField(
        required=False, min_value=0, max_value=_HOTTEST, widget=forms.NumberInput(attrs={"step": "0.1"})
    )
    max_output_tokens = forms.IntegerField(required=False, min_value=1, max_value=_LONGEST, label="Longest answer")

    candidate: Candidate

    def offer(self, *, versions: Choices, models: Choices) -> None:
        """Fill the selects; what they hold is checked by looking it up."""
        self.fields["version"].widget.choices = versions
        self.fields["model"].widget.choices = [("", _OWN), *models]
        self.fields["temperature"].widget.attrs["placeholder"] = "Its own"
        self.fields["max_output_tokens"].widget.attrs["placeholder"] = "Its own, in tokens"

    @property
    def assistant(self) -> str:
        """The id of the assistant that is chosen now; empty for none."""
        return str(self["version"].value() or "").partition(":")[0]

    def clean(self) -> dict[str, Any]:
        """Make the candidate, or say why there is none. Inside a tenant transaction."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        assistant, _, version = cleaned["version"].partition(":")
        kind, _, chosen = cleaned["model"].partition(":")
        try:
            self.candidate = Candidate(
                version=selectors.get_version(assistant=assistant, version=version),
                model_id=UUID(chosen) if kind == "model" else None,
                route_id=UUID(chosen) if kind == "route" else None,
                temperature=cleaned["temperature"],
                max_output_tokens=cleaned["max_output_tokens"],
            )
        except Problem as problem:
            add_problem(self, problem)
        except ValueError:
            self.add_error("model", "Choose a model from the list.")
        return cleaned
