"""The forms of routes: every part of a rule is an ordinary field, and an empty one asks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms

from apps.gateway.contracts import FALLBACK_REASONS
from apps.gateway.models import Model
from apps.gateway.routing.language import LANGUAGES
from apps.gateway.routing.policy import REASON_LABELS
from apps.gateway.routing.rule_reading import DEFAULT_SIMILARITY, HEDGE_BOUNDS, rule_json
from apps.gateway.routing.rules import DAYS, Rule
from apps.gateway.services.routes import MOST_CHOICES

_COMPARISONS = [("", "No matter"), ("at_least", "at least"), ("at_most", "at most")]
_YES_OR_NO = [("", "No matter"), ("yes", "Yes"), ("no", "No")]
_MOST_TARGETS = 4
_TIME = {"type": "time"}


class RouteForm(forms.Form):
    """The fallback chain: one list for each place, so that order needs no dragging."""

    def __init__(
        self, *args: Any, models: Sequence[tuple[str, Model]], chosen: Sequence[UUID], places: int, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        options = [("", "No further model"), *((str(model.id), label) for label, model in models)]
        for place in range(min(places, MOST_CHOICES)):
            self.fields[f"place_{place}"] = forms.ChoiceField(
                label="First" if place == 0 else "If that fails",
                choices=options,
                required=False,
                initial=str(chosen[place]) if place < len(chosen) else "",
            )

    def model_ids(self) -> list[UUID]:
        """The chosen models in order; empty places are closed up."""
        return [UUID(value) for name, value in sorted(self.cleaned_data.items()) if value and name.startswith("place_")]


class NewRouteForm(forms.Form):
    """A name and the model that answers when no rule holds."""

    name = forms.CharField(
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="How assistants call it, for example Support or Cheap at night.",
    )
    model_id = forms.TypedChoiceField(
        label="Answers when no rule holds", coerce=UUID, help_text="Rules and fallbacks come in the next step."
    )

    def __init__(self, *args: Any, models: Sequence[tuple[UUID, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["model_id"].choices = list(models)  # type: ignore[attr-defined] # a choice field, by declaration


class NameForm(forms.Form):
    """A route's name."""

    name = forms.CharField(max_length=80, widget=forms.TextInput(attrs={"autocomplete": "off"}))


class PolicyForm(forms.Form):
    """What the route does when a model fails."""

    fallback_on = forms.MultipleChoiceField(
        label="Ask the next model when one fails because",
        choices=[(reason, REASON_LABELS[reason]) for reason in FALLBACK_REASONS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="For what is not chosen, the visitor gets one sentence that says what happened.",
    )
    continues_answers = forms.BooleanField(
        label="Let the next model continue an answer that breaks off",
        required=False,
        help_text="It reads what the visitor has seen and goes on from there. Both calls are paid for.",
    )
    hedge_after_ms = forms.IntegerField(
        label="Ask the next model, too, after",
        required=False,
        min_value=HEDGE_BOUNDS[0],
        max_value=HEDGE_BOUNDS[1],
        help_text="Milliseconds without a first word; the first to speak wins. Costs the input of both. Empty: never.",
    )


class DryRunForm(forms.Form):
    """A message to try the rules with."""

    message = forms.CharField(
        max_length=20_000, widget=forms.Textarea(attrs={"rows": 3, "placeholder": "What a visitor might write"})
    )
    has_attachment = forms.BooleanField(label="With an attachment", required=False)
    needs_tools = forms.BooleanField(label="The assistant has tools", required=False)


class RuleForm(forms.Form):
    """A rule: what it asks, and which models it leads to. Empty conditions ask nothing."""

    name = forms.CharField(max_length=80, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    is_enabled = forms.BooleanField(label="Use this rule", required=False, initial=True)
    length_comparison = forms.ChoiceField(label="Message length", choices=_COMPARISONS, required=False)
    length_characters = forms.IntegerField(label="Characters", min_value=0, max_value=100_000, required=False)
    languages = forms.MultipleChoiceField(
        label="Language", choices=list(LANGUAGES.items()), required=False, widget=forms.CheckboxSelectMultiple
    )
    keywords = forms.CharField(
        label="Words of a topic",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "refund, invoice, money back"}),
        help_text="Separated by commas or lines. One of them suffices.",
    )
    examples = forms.CharField(
        label="Or messages like these",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="One per line. Compared by meaning, roughly, on this machine.",
    )
    similarity = forms.IntegerField(
        label="Alike in percent", min_value=1, max_value=100, required=False, initial=DEFAULT_SIMILARITY
    )
    difficulty_comparison = forms.ChoiceField(label="Difficulty", choices=_COMPARISONS, required=False)
    difficulty_percent = forms.IntegerField(
        label="Percent",
        min_value=0,
        max_value=100,
        required=False,
        help_text="Estimated from the words: length, several tasks, reasoning, code.",
    )
    attachment = forms.ChoiceField(label="Has an attachment", choices=_YES_OR_NO, required=False)
    tools = forms.ChoiceField(label="Needs tools", choices=_YES_OR_NO, required=False)
    time_from = forms.CharField(
        label="Time of the day from", required=False, widget=forms.TimeInput(attrs=_TIME, format="%H:%M")
    )
    time_to = forms.CharField(
        label="Until",
        required=False,
        widget=forms.TimeInput(attrs=_TIME, format="%H:%M"),
        help_text="In the organisation's time zone; may go over midnight.",
    )
    days = forms.MultipleChoiceField(
        label="Days",
        choices=[(str(number), day) for number, day in enumerate(DAYS)],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None means every day.",
    )
    budget_comparison = forms.ChoiceField(label="Budget left this month", choices=_COMPARISONS, required=False)
    budget_percent = forms.IntegerField(label="Percent", min_value=0, max_value=100, required=False)
    share = forms.IntegerField(
        label="Only a share of the conversations, in percent",
        min_value=0,
        max_value=100,
        required=False,
        help_text="The same conversation always falls on the same side.",
    )

    def __init__(self, *args: Any, models: Sequence[tuple[UUID, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        options = [("", "No further model"), *((str(model_id), label) for model_id, label in models)]
        for place in range(_MOST_TARGETS):
            self.fields[f"target_{place}"] = forms.ChoiceField(
                label="Model" if place == 0 else "Or",
                choices=options[1:] if place == 0 else options,
                required=not place,
            )
            self.fields[f"weight_{place}"] = forms.IntegerField(
                label="Weight", min_value=1, max_value=1_000, required=False, initial=1
            )

    def targets(self) -> list[tuple[Any, Any]]:
        """The fields of each target, side by side."""
        return [(self[f"target_{place}"], self[f"weight_{place}"]) for place in range(_MOST_TARGETS)]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for name, number in (
            ("length", "length_characters"),
            ("difficulty", "difficulty_percent"),
            ("budget", "budget_percent"),
        ):
            if values.get(f"{name}_comparison") and values.get(number) is None and number not in self.errors:
                self.add_error(number, "Enter a number, or choose “No matter”.")
        if bool(values.get("time_from")) != bool(values.get("time_to")):
            self.add_error("time_to", "Enter both times, or none.")
        return values

    def rule(self, rule_id: str = "") -> dict[str, Any]:
        """What `read_rule` reads."""
        values = self.cleaned_data
        targets = [
            {"model_id": values[f"target_{place}"], "weight": values.get(f"weight_{place}") or 1}
            for place in range(_MOST_TARGETS)
            if values.get(f"target_{place}")
        ]
        rule: dict[str, Any] = {
            "name": values["name"],
            "is_enabled": values["is_enabled"],
            "when": _conditions(values),
            "targets": targets,
        }
        return {**rule, "id": rule_id} if rule_id else rule


def rule_initial(rule: Rule) -> dict[str, Any]:
    """A rule as its form shows it."""
    data = rule_json(rule)
    initial: dict[str, Any] = {"name": rule.name, "is_enabled": rule.is_enabled}
    for condition in data["when"]:
        initial |= _INITIAL[condition["kind"]](condition)
    for place, target in enumerate(data["targets"]):
        initial |= {f"target_{place}": target["model_id"], f"weight_{place}": target["weight"]}
    return initial


_INITIAL: dict[str, Any] = {
    "length": lambda c: {"length_comparison": c["comparison"], "length_characters": c["characters"]},
    "language": lambda c: {"languages": c["languages"]},
    "topic": lambda c: {
        "keywords": ", ".join(c["keywords"]),
        "examples": "\n".join(c["examples"]),
        "similarity": c["similarity"],
    },
    "attachment": lambda c: {"attachment": "yes" if c["is_present"] else "no"},
    "tools": lambda c: {"tools": "yes" if c["are_needed"] else "no"},
    "time": lambda c: {"time_from": c["from"], "time_to": c["to"], "days": [str(day) for day in c["days"]]},
    "budget": lambda c: {"budget_comparison": c["comparison"], "budget_percent": c["percent"]},
    "share": lambda c: {"share": c["percent"]},
    "difficulty": lambda c: {"difficulty_comparison": c["comparison"], "difficulty_percent": c["percent"]},
}


def _conditions(values: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if values["length_comparison"]:
        found.append(
            {
                "kind": "length",
                "comparison": values["length_comparison"],
                "characters": values["length_characters"],
            }
        )
    if values["languages"]:
        found.append({"kind": "language", "languages": values["languages"]})
    keywords = [word.strip() for line in values["keywords"].splitlines() for word in line.split(",") if word.strip()]
    examples = [line.strip() for line in values["examples"].splitlines() if line.strip()]
    if keywords or examples:
        similarity = values["similarity"] or DEFAULT_SIMILARITY
        found.append({"kind": "topic", "keywords": keywords, "examples": examples, "similarity": similarity})
    for name in ("difficulty", "budget"):
        if values[f"{name}_comparison"]:
            comparison, percent = values[f"{name}_comparison"], values[f"{name}_percent"]
            found.append({"kind": name, "comparison": comparison, "percent": percent})
    if values["attachment"]:
        found.append({"kind": "attachment", "is_present": values["attachment"] == "yes"})
    if values["tools"]:
        found.append({"kind": "tools", "are_needed": values["tools"] == "yes"})
    if values["time_from"] or values["days"]:
        start, end = values["time_from"] or "00:00", values["time_to"] or "00:00"
        found.append({"kind": "time", "days": [int(day) for day in values["days"]], "from": start[:5], "to": end[:5]})
    if values["share"] is not None:
        found.append({"kind": "share", "percent": values["share"]})
    return found
