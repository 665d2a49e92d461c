"""The forms of the gateway's pages. They check shapes; the services decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms

from apps.gateway.enums import BudgetPeriod, BudgetScope, ModelKind

_PRICE: dict[str, Any] = {"max_digits": 18, "decimal_places": 9, "min_value": 0, "required": False}
_NUMBER = {"inputmode": "decimal", "autocomplete": "off"}


class ProviderForm(forms.Form):
    """Name, address and key. An existing key is never shown; left empty it stays."""

    name = forms.CharField(max_length=80, help_text="How this provider is called here.")
    base_url = forms.CharField(
        label="Address",
        max_length=300,
        required=False,
        widget=forms.URLInput(attrs={"placeholder": "https://api.example.com/v1", "autocomplete": "off"}),
        help_text="Where the API begins; it usually ends in /v1.",
    )
    litellm_provider = forms.CharField(
        label="Provider's name in LiteLLM",
        max_length=40,
        help_text="For example anthropic, gemini or cohere.",
    )
    api_key = forms.CharField(
        label="API key",
        max_length=1_000,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="Stored encrypted and never shown again.",
    )
    is_enabled = forms.BooleanField(
        label="Use this provider", required=False, help_text="Switched off, its models are passed over."
    )

    def __init__(self, *args: Any, kind: str, has_key: bool = False, is_new: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if kind == "openai":
            del self.fields["litellm_provider"]
            self.fields["base_url"].required = True
        else:
            self.fields["base_url"].help_text = "Leave empty unless your company has an address of its own."
        if is_new:
            del self.fields["is_enabled"]
        if has_key:
            self.fields["api_key"].help_text = "Leave empty to keep the key. A new address needs the key again."

    def values(self) -> dict[str, Any]:
        """What the service takes; an empty key means no change."""
        values = dict(self.cleaned_data)
        if not values["api_key"]:
            del values["api_key"]
        return values


class KeyForm(forms.Form):
    """A further key of a provider."""

    name = forms.CharField(
        label="Name",
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "Second account"}),
    )
    api_key = forms.CharField(
        label="API key",
        max_length=1_000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="Tested when it is saved, with one short question.",
    )


class ModelForm(forms.Form):
    """A model's name, size and price."""

    name = forms.CharField(
        label="Model",
        max_length=200,
        widget=forms.TextInput(attrs={"placeholder": "gpt-4o-mini", "autocomplete": "off", "spellcheck": "false"}),
        help_text="Exactly as the provider writes it.",
    )
    kind = forms.ChoiceField(
        label="Does",
        choices=ModelKind.choices,
        required=False,
        help_text="Chat models answer, embedding models compare meanings, reranking models put passages in order.",
    )
    label = forms.CharField(
        label="Shown as", max_length=120, required=False, help_text="Left empty, the model's own name is shown."
    )
    context_tokens = forms.IntegerField(
        label="Context",
        min_value=256,
        required=False,
        help_text="Tokens it can read at once, sources and history included. Left empty, LiteLLM's list decides.",
    )
    max_output_tokens = forms.IntegerField(
        label="Longest answer", min_value=16, required=False, help_text="Tokens. Left empty, the list decides."
    )
    input_price = forms.DecimalField(label="Input price", widget=forms.TextInput(attrs=_NUMBER), **_PRICE)
    output_price = forms.DecimalField(label="Output price", widget=forms.TextInput(attrs=_NUMBER), **_PRICE)
    cached_input_price = forms.DecimalField(label="Cached input price", widget=forms.TextInput(attrs=_NUMBER), **_PRICE)
    is_enabled = forms.BooleanField(label="Use this model", required=False)
    answers_first = forms.BooleanField(
        label="Answer with this model first",
        required=False,
        initial=True,
        help_text="Puts it at the head of the route for answering. The models there now become its fallbacks.",
    )

    def __init__(self, *args: Any, is_new: bool = True, kind: str = ModelKind.CHAT, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["is_enabled" if is_new else "answers_first"]
        if is_new:
            return
        del self.fields["kind"]
        if kind != ModelKind.CHAT:
            for name in ("max_output_tokens", "output_price", "cached_input_price"):
                del self.fields[name]
        for name in ("context_tokens", "max_output_tokens"):
            if name in self.fields:
                self.fields[name].required = True
                self.fields[name].help_text = "Tokens."

    def values(self) -> dict[str, Any]:
        """What the service takes."""
        values = {name: value for name, value in self.cleaned_data.items() if name != "answers_first"}
        if not values.get("kind", True):
            del values["kind"]
        return values


class LimitForm(forms.Form):
    """The monthly limit."""

    limit = forms.DecimalField(
        label="Monthly limit in US dollars",
        max_digits=18,
        decimal_places=9,
        min_value=0,
        required=False,
        widget=forms.TextInput(attrs={**_NUMBER, "placeholder": "No limit"}),
        help_text="Left empty, spending is counted and not limited.",
    )


def _amount(label: str, text: str) -> forms.DecimalField:
    widget = forms.TextInput(attrs={**_NUMBER, "placeholder": "None"})
    return forms.DecimalField(
        label=label, max_digits=18, decimal_places=9, min_value=0, required=False, widget=widget, help_text=text
    )


def _percent(label: str, text: str) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        min_value=1,
        max_value=100,
        required=False,
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "placeholder": "Never"}),
        help_text=text,
    )


class SpendingLimitForm(forms.Form):
    """A limit for everything, an assistant, a channel or a visitor."""

    scope = forms.ChoiceField(label="Limits the spending of", choices=())
    assistant_id = forms.TypedChoiceField(label="Assistant", required=False, coerce=UUID, empty_value=None, choices=())
    channel = forms.ChoiceField(label="Channel", required=False, choices=())
    period = forms.ChoiceField(label="In a", choices=BudgetPeriod.choices)
    limit = _amount("Limit in US dollars", "Calls that do not fit are refused until the period is over.")
    soft_limit = _amount("Warning line in US dollars", "Warns and stops nothing.")
    cheaper_at = _percent("Cheaper model from", "Percent of the limit. The cheapest model of the route answers first.")
    shorter_at = _percent("Shorter prompts from", "Percent. Less history and fewer passages are sent.")
    cached_at = _percent("Known answers from", "Percent. An answer given before is preferred to a new one.")
    refuse_at = _percent("Polite refusal from", "Percent. New questions are declined in a friendly sentence.")

    def __init__(
        self,
        *args: Any,
        assistants: Sequence[tuple[str, str]] = (),
        channels: Sequence[tuple[str, str]] = (),
        is_new: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if not is_new:
            for name in ("scope", "assistant_id", "channel", "period"):
                del self.fields[name]
            return
        for name, choices in (
            ("scope", _SCOPES),
            ("assistant_id", [("", "Each assistant"), *assistants]),
            ("channel", [("", "Each channel"), *channels]),
        ):
            self.fields[name].choices = choices  # type: ignore[attr-defined]  # all three are choice fields


class AlertForm(forms.Form):
    """Whom to tell."""

    emails = forms.CharField(
        label="E-mail addresses",
        required=False,
        max_length=4_000,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text="One on each line. Left empty, owners and admins are told.",
    )
    webhook_url = forms.CharField(
        label="Webhook",
        required=False,
        max_length=500,
        widget=forms.URLInput(attrs={"placeholder": "https://example.com/alerts", "autocomplete": "off"}),
        help_text="Gets each alert as signed JSON and is called again until it answers with a status of 200 to 299.",
    )
    makes_new_secret = forms.BooleanField(label="Make a new secret for the signature", required=False)

    def values(self) -> dict[str, Any]:
        """What the service takes."""
        return {**self.cleaned_data, "emails": self.cleaned_data["emails"].split()}


class RateForm(forms.Form):
    """How much may be asked in a minute and at once."""

    requests_per_minute = forms.IntegerField(label="Requests a minute", min_value=1, required=False)
    tokens_per_minute = forms.IntegerField(label="Tokens a minute", min_value=1, required=False)
    concurrent = forms.IntegerField(label="Answers at once", min_value=1, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["placeholder"] = "No limit"


class BillForm(forms.Form):
    """A provider's bill, as a file or pasted."""

    file = forms.FileField(
        label="Bill as CSV", required=False, help_text="With the columns date, model and amount (US dollars)."
    )
    pasted = forms.CharField(
        label="Or paste it",
        required=False,
        max_length=2_000_000,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "placeholder": "date,model,amount"}),
    )

    def text(self) -> str:
        """What was sent, the file before the pasted text."""
        file = self.cleaned_data.get("file")
        return file.read().decode("utf-8", "replace") if file else str(self.cleaned_data["pasted"])


_SCOPES = [
    (BudgetScope.TENANT.value, "Everything together"),
    (BudgetScope.ASSISTANT.value, "An assistant"),
    (BudgetScope.CHANNEL.value, "A channel of an assistant"),
    (BudgetScope.VISITOR.value, "A visitor"),
]
