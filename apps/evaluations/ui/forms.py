"""The forms of evaluations. They check shapes; the services decide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import forms

from apps.evaluations.contracts import CaseSpec, parse_facts
from apps.evaluations.models import DOCUMENT_LENGTH, NAME_LENGTH, Case, Dataset, Evaluator
from apps.evaluations.scorers import Scorer, SettingField

FACTS_HINT = "One fact per line. Separate wordings that count as the same with |, as in 15 seats | fifteen seats."
Choices = list[tuple[str, Any]]


class DatasetForm(forms.Form):
    """Name and purpose of a data set."""

    name = forms.CharField(max_length=NAME_LENGTH, widget=forms.TextInput(attrs={"autofocus": True}))
    description = forms.CharField(
        max_length=500, required=False, help_text="What these questions stand for, for the next person."
    )


class CaseForm(forms.Form):
    """One case; `spec` is what the services take."""

    question = forms.CharField(widget=forms.Textarea(attrs={"rows": 2}))
    expected_facts = forms.CharField(
        required=False,
        label="Expected facts",
        help_text=FACTS_HINT,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    expected_document = forms.CharField(
        required=False,
        max_length=DOCUMENT_LENGTH,
        label="Expected document",
        help_text="Its name in the knowledge base, as in widget.md.",
    )
    notes = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 1}))

    @property
    def spec(self) -> CaseSpec:
        """The case that was typed."""
        data = self.cleaned_data
        return CaseSpec(
            question=data["question"],
            expected_facts=parse_facts(data["expected_facts"]),
            expected_document=data["expected_document"],
            notes=data["notes"],
        )

    @staticmethod
    def values_of(case: Case) -> dict[str, Any]:
        """A case's texts as initial values."""
        return {
            "question": case.question,
            "expected_facts": case.facts_text,
            "expected_document": case.expected_document,
            "notes": case.notes,
        }


class DatasetCaseForm(CaseForm):
    """A case made from a rated answer or a question: which data set it joins."""

    dataset = forms.ChoiceField(label="Data set")
    field_order = ("dataset", "question", "expected_facts", "expected_document", "notes")

    def __init__(self, *args: Any, datasets: Iterable[Dataset], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _choices(self, "dataset", [(str(dataset.id), dataset.name) for dataset in datasets])


class EvaluatorForm(forms.Form):
    """A name, and one field for each setting of the kind."""

    name = forms.CharField(max_length=NAME_LENGTH)

    def __init__(self, *args: Any, scorer: Scorer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.setting_names = [field.name for field in scorer.fields]
        for setting in scorer.fields:
            self.fields[setting.name] = _form_field(setting)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that were typed."""
        return {name: self.cleaned_data[name] for name in self.setting_names}


def _form_field(setting: SettingField) -> forms.Field:
    options: dict[str, Any] = {
        "label": setting.label,
        "help_text": setting.hint,
        "required": setting.is_required,
        "initial": setting.default,
    }
    match setting.kind:
        case "choice":
            return forms.ChoiceField(choices=setting.choices, **options)
        case "number":
            widget = forms.NumberInput(attrs={"step": "0.05"})
            return forms.FloatField(min_value=setting.minimum, max_value=setting.maximum, widget=widget, **options)
        case "long_text":
            return forms.CharField(max_length=setting.max_length, widget=forms.Textarea(attrs={"rows": 6}), **options)
        case _:
            widget_class = forms.TextInput(attrs={"class": "mono", "spellcheck": "false"})
            return forms.CharField(max_length=setting.max_length, widget=widget_class, **options)


class ExperimentForm(forms.Form):
    """Which state of which assistant answers which data set, and who judges."""

    version = forms.ChoiceField(label="Assistant", help_text="Its state is frozen when the experiment starts.")
    dataset = forms.ChoiceField(label="Data set")
    evaluators = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    name = forms.CharField(
        max_length=NAME_LENGTH, required=False, help_text="Left empty, data set and version name it."
    )

    def __init__(
        self,
        *args: Any,
        versions: Choices,
        datasets: Iterable[Dataset],
        evaluators: Iterable[Evaluator],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        _choices(self, "version", versions)
        _choices(self, "dataset", [(str(row.id), _with_count(row)) for row in datasets])
        _choices(self, "evaluators", [(str(row.id), row.name) for row in evaluators])

    @property
    def evaluator_ids(self) -> list[UUID]:
        """The chosen evaluators."""
        return [UUID(value) for value in self.cleaned_data["evaluators"]]


def _with_count(dataset: Dataset) -> str:
    count: int = getattr(dataset, "case_count", 0)
    return f"{dataset.name} ({count:,} {'case' if count == 1 else 'cases'})"


def _choices(form: forms.Form, name: str, choices: Choices) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    field.choices = choices


class TuningForm(forms.Form):
    """Search settings that test cases suggest; without a weight it follows each question."""

    vector_weight = forms.FloatField(min_value=0, max_value=1, required=False)
    min_relevance = forms.FloatField(min_value=0, max_value=1)
