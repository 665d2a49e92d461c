"""The forms of the knowledge pages. They check shapes; the services decide."""

from django import forms


class BaseForm(forms.Form):
    """Name and description of a knowledge base."""

    name = forms.CharField(max_length=120, help_text="For example “Product handbook”. Editors choose it by this name.")
    description = forms.CharField(
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What is in it, and what is not.",
    )


class TextForm(forms.Form):
    """A text that is typed or pasted instead of uploaded."""

    title = forms.CharField(max_length=300)
    text = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 12}),
        help_text="Plain text or Markdown. Headings become the places shown.",
    )


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


class SearchForm(forms.Form):
    """A question for the retrieval test."""

    q = forms.CharField(max_length=2000, required=False, label="Question")
