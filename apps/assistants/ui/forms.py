"""Forms of the assistant pages. Services validate again: a form only asks."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django import forms

from apps.assistants.contracts import Variable, VersionSpec
from apps.assistants.enums import GroundingChoice
from apps.assistants.models import HOTTEST, LONGEST_ANSWER, Assistant
from apps.assistants.services.assistants import DraftFields, SharingFields
from apps.assistants.starters import Starter
from parley.web.forms import JsonObjectField, NamesField

_TOLD_TAGS = 20


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


class DraftForm(forms.Form):
    """The settings of a draft."""

    name = forms.CharField(max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    instructions = forms.CharField(
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 10, "class": "prompt-text", "spellcheck": "true"}),
        help_text="How to behave and for whom. Facts belong into a knowledge base. {{ name }} stands for a variable, "
        "{{> short-name }} for a prompt block.",
    )
    role = forms.CharField(
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "You are the first contact of Acme's customers."}),
        help_text="Who it is. Read before the instructions.",
    )
    tone = forms.CharField(
        max_length=300,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "Warm, brief, no jargon"}),
    )
    rules = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="One per line. Read last, as a list.",
    )
    knowledge_base_ids = forms.TypedMultipleChoiceField(
        label="Knowledge bases", coerce=UUID, required=False, widget=forms.CheckboxSelectMultiple
    )
    snapshot_ids = forms.TypedMultipleChoiceField(
        label="Pinned snapshots",
        coerce=UUID,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Answers keep to a base as it was at its snapshot. Without one they follow every change.",
    )
    access_tags = NamesField(
        label="Access tags",
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "hr, partners"}),
        help_text="Documents with one of these tags may be used, too. Empty: only documents without tags, "
        "which everybody may read.",
    )
    metadata_filter = JsonObjectField(
        label="Only documents whose metadata fit",
        required=False,
        help_text='A filter, such as {"field": "year", "gte": 2025}. Empty: whatever their metadata.',
    )
    model_id = forms.TypedChoiceField(
        label="Answered by",
        coerce=UUID,
        empty_value=None,
        required=False,
        help_text="A route chooses a model for each message by its rules, and the next one when that fails.",
    )
    opening_message = forms.CharField(
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="What a visitor sees before writing the first message.",
    )
    suggested_questions = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One per line, at most six. Visitors can start with a click.",
    )
    refusal = forms.CharField(
        label="Refusal sentence",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Said when the knowledge bases hold no answer. Best with a way to get help.",
    )
    rewrites_follow_ups = forms.BooleanField(
        label="Let the model rewrite follow-up questions",
        required=False,
        help_text="“And for teams?” is searched as what it means. One more short call, for such questions only.",
    )
    grounding = forms.ChoiceField(
        label="Sentences that the sources do not support",
        choices=GroundingChoice.choices,
        required=False,
        help_text="Each sentence of an answer is held against the passages it cites. To leave sentences out, the "
        "answer appears sentence by sentence.",
    )
    temperature = forms.FloatField(
        required=False,
        min_value=0,
        max_value=HOTTEST,
        widget=forms.NumberInput(attrs={"step": "0.1"}),
        help_text="0 to 2. Low keeps to the sources, high varies more. Empty: the model's default.",
    )
    max_output_tokens = forms.IntegerField(
        label="Longest answer",
        min_value=1,
        max_value=LONGEST_ANSWER,
        help_text="In tokens; a token is about three quarters of a word.",
    )
    revision = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        *args: Any,
        knowledge_bases: Iterable[tuple[UUID, str]],
        models: Iterable[tuple[UUID, str]],
        routes: Iterable[tuple[UUID, str]] = (),
        snapshots: Iterable[tuple[UUID, str]] = (),
        known_tags: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        bases = self.fields["knowledge_base_ids"]
        bases.choices = list(knowledge_bases)  # type: ignore[attr-defined] # a choice field, by declaration
        pins = self.fields["snapshot_ids"]
        pins.choices = list(snapshots)  # type: ignore[attr-defined] # as above
        if known_tags:
            self.fields["access_tags"].help_text += f" In use: {', '.join(known_tags[:_TOLD_TAGS])}."
        model = self.fields["model_id"]
        by_name: list[Any] = [("", "The organisation's default")]
        self._routes = list(routes)
        if self._routes:
            by_name.append(("Routes", self._routes))
        by_name.append(("Models", list(models)))
        model.choices = by_name  # type: ignore[attr-defined] # as above

    # What the service said about the variables, which have rows of their own.
    variable_problems: Sequence[str] = ()

    def preselect_the_only_base(self) -> None:
        """Who has one knowledge base wants answers from it."""
        choices = self.fields["knowledge_base_ids"].choices  # type: ignore[attr-defined] # as above
        if len(choices) == 1:
            self.initial["knowledge_base_ids"] = [choices[0][0]]

    def draft_fields(self, variables: Sequence[Variable | dict[str, Any]]) -> DraftFields:
        """The validated values as the services take them."""
        data = self.cleaned_data
        named = data["model_id"]
        is_route = any(named == known for known, _ in self._routes)
        return DraftFields(
            variables=variables,
            name=data["name"],
            instructions=data["instructions"],
            role=data["role"],
            tone=data["tone"],
            rules=_lines(data["rules"]),
            knowledge_base_ids=data["knowledge_base_ids"],
            snapshot_ids=data["snapshot_ids"],
            access_tags=data["access_tags"],
            metadata_filter=data["metadata_filter"],
            rewrites_follow_ups=data["rewrites_follow_ups"],
            grounding=data["grounding"] or GroundingChoice.OFF,
            model_id=None if is_route else named,
            route_id=named if is_route else None,
            opening_message=data["opening_message"],
            suggested_questions=_lines(data["suggested_questions"]),
            refusal=data["refusal"],
            temperature=data["temperature"],
            max_output_tokens=data["max_output_tokens"],
        )

    def add_errors(self, errors: dict[str, list[str]]) -> None:
        """Put a service's sentences beside their fields."""
        for name, sentences in errors.items():
            field = {"model": "model_id", "route": "model_id"}.get(name, name)
            if name == "variables":
                self.variable_problems = sentences
                self.add_error(None, "Some variables are not right: see below.")
                continue
            self.add_error(field if field in self.fields else None, sentences)


_SOURCES = [
    ("api", "Your program (API)"),
    ("visitor", "The visitor"),
    ("page", "The page"),
    ("constant", "Constant"),
]
_TYPES = [("text", "Text"), ("number", "Number"), ("boolean", "Yes or no"), ("choice", "Choice")]


class VariableForm(forms.Form):
    """One declared variable; a row without a name is none."""

    name = forms.CharField(max_length=40, required=False, widget=forms.TextInput(attrs={"class": "mono"}))
    type = forms.ChoiceField(choices=_TYPES, required=False)
    source = forms.ChoiceField(choices=_SOURCES, required=False)
    default = forms.CharField(max_length=2_000, required=False)
    choices = NamesField(required=False, widget=forms.TextInput(attrs={"placeholder": "free, team"}))


_VariableForms = forms.formset_factory(VariableForm, extra=2, max_num=32)


class VariableForms(_VariableForms):  # type: ignore[valid-type, misc] # a class that Django makes
    """The declared variables of a draft, with room for two more."""

    def is_sound(self) -> bool:
        """Whether the rows can be read; a request without rows is sound, too."""
        return not self.is_bound or bool(self.is_valid())

    def declared(self) -> list[dict[str, Any]]:
        """The rows that have a name."""
        if not self.is_bound:
            return []
        return [form.cleaned_data for form in self.forms if form.cleaned_data.get("name", "").strip()]


def draft_initial(spec: VersionSpec, *, revision: int | None = None) -> dict[str, Any]:
    """A draft as the form shows it."""
    return {
        **spec.as_dict(),
        "knowledge_base_ids": list(spec.knowledge_base_ids),
        "snapshot_ids": list(spec.snapshot_ids),
        "access_tags": list(spec.access_tags),
        "metadata_filter": spec.metadata_filter,
        "rewrites_follow_ups": spec.rewrites_follow_ups,
        "grounding": spec.grounding,
        "model_id": spec.model_id or spec.route_id,
        "suggested_questions": "\n".join(spec.suggested_questions),
        "rules": "\n".join(spec.rules),
        "revision": revision,
    }


def new_initial(starter: Starter | None = None) -> dict[str, Any]:
    """Good defaults for an assistant that does not exist yet, or what a starter brings."""
    defaults = Assistant()
    initial: dict[str, Any] = {"refusal": defaults.refusal, "max_output_tokens": defaults.max_output_tokens}
    if starter is not None:
        initial |= {"name": starter.name, **starter.fields}
        for lines in ("rules", "suggested_questions"):
            initial[lines] = "\n".join(starter.fields.get(lines, ()))
    return initial


class SharingForm(forms.Form):
    """Where visitors may meet the assistant."""

    is_public = forms.BooleanField(
        label="Public page",
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "switch"}),
        help_text="Anybody with the link can chat; readers need no account.",
    )
    is_paused = forms.BooleanField(
        label="Pause",
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "switch"}),
        help_text="Visitors and programs get no answers until you switch this off again.",
    )
    allowed_origins = forms.CharField(
        label="Websites that may show the widget",
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono", "placeholder": "https://www.example.com"}),
        help_text="One per line, scheme and host only. Subdomains are separate. Empty: no website may.",
    )

    def sharing_fields(self) -> SharingFields:
        """The validated values as the services take them."""
        return SharingFields(
            is_public=self.cleaned_data["is_public"],
            is_paused=self.cleaned_data["is_paused"],
            allowed_origins=_lines(self.cleaned_data["allowed_origins"]),
        )

    def add_errors(self, errors: dict[str, list[str]]) -> None:
        """Put a service's sentences beside their fields."""
        for name, sentences in errors.items():
            self.add_error(name if name in self.fields else None, sentences)
