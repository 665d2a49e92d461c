"""The form of a source. It checks shapes; the service decides."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.knowledge.models import Source
from apps.knowledge.services.source_settings import MAX_DELAY_SECONDS, MAX_DEPTH, MAX_PAGES, SourceSettings
from apps.knowledge.source_enums import SourceKind, SourceSchedule
from apps.knowledge.ui.forms import MetadataField
from parley.web.forms import NamesField

_LINES = forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false"})


class SourceForm(forms.Form):
    """An address, how much of it to take, and how often to look again."""

    address = forms.CharField(
        max_length=2000,
        widget=forms.TextInput(
            attrs={"inputmode": "url", "placeholder": "https://www.example.com/help/", "autocomplete": "url"}
        ),
        help_text="A whole site is followed below the folder of this address, and never leaves the site.",
    )
    kind = forms.ChoiceField(
        label="Take in", choices=SourceKind.choices, initial=SourceKind.CRAWL, widget=forms.RadioSelect
    )
    schedule = forms.ChoiceField(label="Sync", choices=SourceSchedule.choices, initial=SourceSchedule.DAILY)
    max_pages = forms.IntegerField(label="Pages at most", min_value=1, max_value=MAX_PAGES, initial=500)
    max_depth = forms.IntegerField(
        label="Links to follow",
        min_value=0,
        max_value=MAX_DEPTH,
        initial=5,
        help_text="How many clicks away from the address a page may be.",
    )
    include = forms.CharField(
        label="Only these addresses",
        required=False,
        widget=_LINES,
        help_text="One pattern a line: /docs/*, *.pdf, or a regular expression after “re:”. "
        "They replace the folder of the address.",
    )
    exclude = forms.CharField(label="Not these addresses", required=False, widget=_LINES, help_text="Written the same.")
    delay_seconds = forms.FloatField(
        label="Seconds between two requests",
        min_value=0,
        max_value=MAX_DELAY_SECONDS,
        initial=1.0,
        help_text="The site’s own Crawl-delay counts if it is longer.",
    )
    access_tags = NamesField(
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "hr, partners"}),
        help_text="Who may be answered from its pages: assistants with one of these. Empty: everybody who may ask. "
        "A change counts at once, for all its pages.",
    )
    metadata = MetadataField(
        required=False, help_text="Joins the metadata of every page, one a line, such as team: support."
    )
    obeys_robots = forms.BooleanField(
        label="Obey robots.txt",
        required=False,
        initial=True,
        help_text="Switch it off only for a site that is yours.",
    )

    MAIN = ("address", "kind", "schedule")

    @property
    def main_fields(self) -> list[Any]:
        """What everybody decides."""
        return [self[name] for name in self.MAIN]

    @property
    def more_fields(self) -> list[Any]:
        """What has good defaults."""
        return [field for field in self if field.name not in self.MAIN]

    @property
    def has_more_errors(self) -> bool:
        """Whether what is folded away must be looked at."""
        return any(field.errors for field in self.more_fields)

    def values(self) -> tuple[str, dict[str, Any]]:
        """The address and the settings of a valid form."""
        data = dict(self.cleaned_data)
        address = data.pop("address")
        lines = {name: data[name].splitlines() for name in ("include", "exclude")}
        return address, {**data, **lines}

    @property
    def settings(self) -> SourceSettings:
        """The settings of a valid form."""
        return SourceSettings(**self.values()[1])


def initial_of(source: Source) -> dict[str, Any]:
    """The values of a source as its form shows them."""
    shown = {name: getattr(source, name) for name in SourceForm.base_fields}
    return {**shown, "include": "\n".join(source.include), "exclude": "\n".join(source.exclude)}
