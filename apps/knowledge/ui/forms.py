"""The forms of the knowledge pages. They check shapes; the services decide."""

from collections.abc import Iterable, Sequence
from typing import Any, cast
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from apps.knowledge.contracts import (
    MAX_CANDIDATES,
    MAX_SECTION_TOKENS,
    MIN_CANDIDATES,
    NO_RERANKER,
    RetrievalSettings,
)
from apps.knowledge.ingest import limits
from apps.knowledge.ingest.question_answer import MAX_ANSWER_CHARS, MAX_PHRASINGS, MAX_QUESTION_CHARS
from apps.knowledge.retrieval.languages import CHOICES
from apps.knowledge.services.retrieval_settings import MAX_DIVERSITY
from apps.knowledge.ui.metadata_lines import BadLine, read_lines, write_lines
from parley.web.forms import JsonObjectField, NamesField

_TAGS_HELP = "Who may be answered from it: assistants with one of these. Empty: everybody who may ask."


class MetadataField(forms.CharField):
    """An object as `ui.metadata_lines` writes it."""

    widget = forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false"})

    def to_python(self, value: Any) -> Any:
        """The object that the lines say. Raises `ValidationError` for lines that say nothing."""
        try:
            return read_lines(str(value or ""))
        except BadLine as problem:
            raise ValidationError(str(problem)) from problem

    def prepare_value(self, value: Any) -> Any:
        """The object as lines."""
        return write_lines(value) if isinstance(value, dict) else value

    def run_validators(self, value: Any) -> None:
        """The services know what may be in it."""


class DescribeForm(forms.Form):
    """Access tags and metadata of a document, or of the files that are about to be added."""

    access_tags = NamesField(
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "hr, partners"}),
        help_text=_TAGS_HELP,
    )
    metadata = MetadataField(
        required=False,
        help_text='One a line, such as year: 2026 or team: ["shop", "sales"]. Searches can be filtered by it.',
    )

    def given(self) -> dict[str, Any]:
        """What a valid form names, without what was left empty."""
        return {name: value for name, value in self.cleaned_data.items() if value}


class AudienceForm(forms.Form):
    """As whom to ask in the retrieval test."""

    access_tags = NamesField(
        required=False,
        label="Access tags",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "hr, partners"}),
        help_text="Finds documents with one of these, too. Empty: only those without tags.",
    )
    filter = JsonObjectField(
        required=False, label="Metadata", help_text='For example {"field": "year", "gte": 2025}. Empty: all.'
    )

    def __init__(self, *args: Any, may_be_anybody: bool, known_tags: Iterable[str] = (), **kwargs: Any) -> None:
        """Only who looks after documents asks as somebody else. The fields belong to the form of the question."""
        super().__init__(*args, **kwargs)
        known = ", ".join(known_tags)
        if known:
            self.fields["access_tags"].help_text += f" In use: {known}."
        if not may_be_anybody:
            del self.fields["access_tags"]
        for field in self.fields.values():
            field.widget.attrs["form"] = "retrieval-form"


class BaseForm(forms.Form):
    """What people set about a knowledge base."""

    name = forms.CharField(max_length=120, help_text="For example “Product handbook”. Editors choose it by this name.")
    description = forms.CharField(
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What is in it, and what is not.",
    )
    language = forms.ChoiceField(
        choices=CHOICES,
        required=False,
        help_text="So that search knows the forms of a word. Counts for documents that are read from now on.",
    )

    def clean_language(self) -> str | None:
        """None when nothing was chosen."""
        return self.cleaned_data["language"] or None


class TextForm(forms.Form):
    """A text that is typed or pasted instead of uploaded."""

    title = forms.CharField(max_length=300)
    text = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 12}),
        help_text="Plain text or Markdown. Headings become the places shown.",
    )
    access_tags = NamesField(
        required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}), help_text=_TAGS_HELP
    )

    def values(self) -> dict[str, Any]:
        """What the service takes; without tags the text keeps those it has."""
        return {**self.cleaned_data, "access_tags": self.cleaned_data["access_tags"] or None}


class ChunkForm(forms.Form):
    """Other words for a chunk."""

    text = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text="Found as soon as you save. Answers given before keep the words that they were based on.",
    )


class AddChunkForm(forms.Form):
    """A chunk that the file does not have."""

    heading = forms.CharField(max_length=200, required=False, help_text="What it is about. Helps to find it.")
    text = forms.CharField(widget=forms.Textarea(attrs={"rows": 8}))


class CutForm(forms.Form):
    """How long chunks may become, and on which document to try it."""

    chunk_tokens = forms.IntegerField(
        label="Longest chunk",
        min_value=limits.MIN_CHUNK_TOKENS,
        max_value=limits.CHUNK_TOKENS,
        help_text="In tokens. Short chunks are found more exactly, long ones say more at once.",
    )
    embedding_model_id = forms.TypedChoiceField(
        label="Embedding model",
        coerce=UUID,
        empty_value=None,
        required=False,
        help_text="Turns passages and questions into vectors. Another one embeds every passage anew, at its price.",
    )
    document = forms.TypedChoiceField(label="Try it on", coerce=UUID, empty_value=None, required=False)

    def __init__(
        self, *args: Any, documents: Iterable[tuple[UUID, str]], embedders: Iterable[tuple[UUID, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.ChoiceField", self.fields["embedding_model_id"]).choices = [("", "As now"), *embedders]
        field = self.fields["document"]
        field.choices = [("", "No preview"), *documents]  # type: ignore[attr-defined] # a choice field, by declaration


class SnapshotForm(forms.Form):
    """What a snapshot is called."""

    name = forms.CharField(max_length=120, required=False, help_text="For example “Before the price change”.")
    note = forms.CharField(max_length=500, required=False)


class QuestionsForm(forms.Form):
    """Questions to compare, one a line."""

    questions = forms.CharField(widget=forms.Textarea(attrs={"rows": 5}), help_text="Up to 50.")


class EntryForm(forms.Form):
    """A question, other ways to put it, and the answer."""

    question = forms.CharField(max_length=MAX_QUESTION_CHARS)
    phrasings = forms.CharField(
        required=False,
        label="Other ways to ask",
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=f"One per line, {MAX_PHRASINGS} at most. Each of them finds the answer.",
    )
    answer = forms.CharField(
        max_length=MAX_ANSWER_CHARS, widget=forms.Textarea(attrs={"rows": 8}), help_text="Plain text or Markdown."
    )
    access_tags = NamesField(
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "hr, partners"}),
        help_text="Who may be told: assistants with one of these. Empty: everybody who may ask.",
    )
    metadata = MetadataField(required=False, help_text="One a line, such as year: 2026.")

    @staticmethod
    def values_asked(address: QueryDict) -> dict[str, str]:
        """Initial values from an address: `question`, and `also` for each other way to ask."""
        question, *also = (
            " ".join(text.split())[:MAX_QUESTION_CHARS]
            for text in (address.get("question", ""), *address.getlist("also")[:MAX_PHRASINGS])
        )
        return {"question": question, "phrasings": "\n".join(also)}

    def words(self) -> dict[str, Any]:
        """What the services take."""
        return {**self.cleaned_data, "phrasings": self.cleaned_data["phrasings"].splitlines()}


class EntryImportForm(forms.Form):
    """A table of questions and answers."""

    file = forms.FileField(
        label="CSV file",
        help_text="Columns “question” and “answer”; “phrasings” and “access_tags”, each apart by |, if there are any.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
    )


class SearchForm(forms.Form):
    """A question for the retrieval test."""

    q = forms.CharField(max_length=2000, required=False, label="Question")


class RetrievalForm(forms.Form):
    """How to search; tried for one question or saved for the base."""

    weighting = forms.ChoiceField(
        choices=[("auto", "Automatic"), ("manual", "By hand")],
        label="Words and meaning",
        help_text="Automatic: the nearer the nearest passage, the more meaning counts.",
    )
    vector_weight = forms.FloatField(
        min_value=0,
        max_value=1,
        required=False,
        label="Share of meaning",
        widget=forms.NumberInput(attrs={"step": 0.05}),
        help_text="0: words only. 1: meaning only. Counts when weighed by hand.",
    )
    candidate_count = forms.IntegerField(
        min_value=MIN_CANDIDATES, max_value=MAX_CANDIDATES, label="Candidates", help_text="Considered each way."
    )
    min_relevance = forms.FloatField(
        min_value=0,
        max_value=1,
        label="Least relevance",
        widget=forms.NumberInput(attrs={"step": 0.01}),
        help_text="What lies below is not found. 0 finds something for every question.",
    )
    diversity = forms.FloatField(
        min_value=0,
        max_value=MAX_DIVERSITY,
        widget=forms.NumberInput(attrs={"step": 0.05}),
        help_text="0: the best first. More spreads the results over subjects.",
    )
    section_tokens = forms.IntegerField(
        min_value=0,
        max_value=MAX_SECTION_TOKENS,
        required=False,
        label="Section around it",
        help_text="Tokens of its section that a passage is read with. 0: the passage alone.",
    )
    reranker = forms.ChoiceField(
        required=False,
        label="Rerank",
        help_text="Puts the best candidates in order once more. A model of a provider reads their text.",
    )
    removes_repeats = forms.BooleanField(required=False, label="Leave out what repeats a better passage")

    def __init__(self, *args: Any, rerankers: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        """The fields stand beside the form of the question and belong to it."""
        super().__init__(*args, **kwargs)
        cast("forms.ChoiceField", self.fields["reranker"]).choices = list(rerankers)
        for field in self.fields.values():
            field.widget.attrs["form"] = "retrieval-form"

    @staticmethod
    def values_of(settings: RetrievalSettings) -> dict[str, object]:
        """The form's values for these settings."""
        return {
            "weighting": "auto" if settings.vector_weight is None else "manual",
            "vector_weight": settings.vector_weight,
            "candidate_count": settings.candidate_count,
            "min_relevance": settings.min_relevance,
            "diversity": settings.diversity,
            "section_tokens": settings.section_tokens,
            "reranker": settings.reranker,
            "removes_repeats": settings.removes_repeats,
        }

    def settings(self) -> RetrievalSettings:
        """What a valid form says; by hand without a number means half and half."""
        data = dict(self.cleaned_data)
        weight = data.pop("vector_weight")
        is_manual = data.pop("weighting") == "manual"
        data["section_tokens"] = data["section_tokens"] or 0
        data["reranker"] = data["reranker"] or NO_RERANKER
        return RetrievalSettings(vector_weight=(0.5 if weight is None else weight) if is_manual else None, **data)
