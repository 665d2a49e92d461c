"""Which models a migration renders again."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.migrations.state import ModelState, ProjectState

from parley.db.migration_states import rendering_dependents_only


def _state() -> ProjectState:
    """`tenant` ← `base` ← `document`, and `tenant` ← `budget`, rendered."""
    state = ProjectState()
    for name, refers_to in {"tenant": [], "base": ["tenant"], "document": ["base"], "budget": ["tenant"]}.items():
        fields: list[tuple[str, Any]] = [("id", models.AutoField(primary_key=True))]
        fields += [(other, models.ForeignKey(f"made.{other}", models.CASCADE)) for other in refers_to]
        state.add_model(ModelState("made", name.capitalize(), fields))
    assert state.apps.get_models()
    return state


def test_a_change_renders_the_model_and_what_refers_to_it() -> None:
    state = _state()
    before = {name: state.apps.get_model("made", name) for name in ("tenant", "base", "document", "budget")}
    with rendering_dependents_only():
        state.add_field("made", "base", "title", models.TextField(default=""), preserve_default=True)
    after = {name: state.apps.get_model("made", name) for name in before}
    assert {name for name in before if before[name] is not after[name]} == {"base", "document"}
    # Whoever follows a reference meets the classes of now, in both directions.
    assert after["document"]._meta.get_field("base").related_model is after["base"]
    assert {relation.related_model for relation in after["tenant"]._meta.related_objects} == {
        after["base"],
        after["budget"],
    }


def test_afterwards_django_is_as_it_was() -> None:
    before = ProjectState._find_reload_model  # type: ignore[attr-defined] # Django's own name
    with rendering_dependents_only():
        pass
    assert ProjectState._find_reload_model is before  # type: ignore[attr-defined] # as above
