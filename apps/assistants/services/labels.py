"""Labels: movable names of versions. Moving one publishes or takes back, in one step, and is remembered."""

import re
from uuid import UUID

from django.db import transaction

from apps.assistants.models import LABEL_LENGTH, Assistant, AssistantVersion, LabelMove, VersionLabel
from apps.assistants.policies import PRODUCTION, STANDING_LABELS
from apps.assistants.selectors import find_label, get_version
from apps.assistants.services.rows import lock_assistant
from apps.tenants.services import audit
from parley.errors import Conflict, Invalid, NotFound
from parley.web.actors import current_actor

_FORM = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TAKEN_WORDS = ("draft", "published", "latest", "newest")
_MOST_LABELS = 20


@transaction.atomic
def move_label(*, assistant_id: UUID, label: str, number: int) -> AssistantVersion:
    """Let a label stand on a version; one that does not exist yet is made.

    Moving `production` publishes or rolls back: visitors get that version from their next conversation on (or the
    next message, when conversations follow), and a rollout under way ends. Repeating it changes nothing. Raises
    `NotFound`, `Invalid` for a word that cannot be a label. Audited.
    """
    assistant = lock_assistant(assistant_id)
    version = get_version(assistant, number)
    if label == PRODUCTION:
        live = assistant.published_version
        forward = live is None or version.number > live.number
        point_production(assistant, version, action="assistant.published" if forward else "assistant.rolled_back")
        return version
    require_label_name(label)
    row = find_label(assistant, label)
    if row is not None and row.version_id == version.id:
        return version
    before = row.version.number if row else None
    if row is None:
        if VersionLabel.objects.filter(assistant=assistant).count() >= _MOST_LABELS:
            raise Conflict(f"An assistant has at most {_MOST_LABELS} labels of its own. Remove one first.")
        row = VersionLabel(assistant=assistant, name=label)
    row.version = version
    row.save()
    _remember(assistant, label, before, version.number)
    _audit("assistant.label_moved", assistant, label, before, version.number)
    return version


@transaction.atomic
def remove_label(*, assistant_id: UUID, label: str) -> None:
    """Take a label away; its version stays. `staging` then points nowhere, and `production` cannot be removed.

    Raises `NotFound`, `Invalid`. Audited as `assistant.label_removed`.
    """
    if label == PRODUCTION:
        sentence = "Production cannot be removed. Pause the assistant instead."
        raise Invalid(sentence, errors={"label": [sentence]})
    assistant = lock_assistant(assistant_id)
    row = find_label(assistant, label)
    if row is None:
        raise NotFound(f"{assistant.name} has no label {label!r}.")
    before = row.version.number
    row.delete()
    _remember(assistant, label, before, None)
    _audit("assistant.label_removed", assistant, label, before, None)


@transaction.atomic
def protect_labels(*, assistant_id: UUID, labels: list[str]) -> Assistant:
    """Say which labels only a holder of `assistants.protect` may move. Audited as `assistant.labels_protected`."""
    for label in labels:
        require_label_name(label)
    assistant = lock_assistant(assistant_id)
    before, after = assistant.protected_labels, sorted(set(labels))
    if before != after:
        assistant.protected_labels = after
        assistant.save(update_fields=["protected_labels", "updated_at"])
        audit.record(
            action="assistant.labels_protected", target=assistant, before={"labels": before}, after={"labels": after}
        )
    return assistant


def point_production(assistant: Assistant, version: AssistantVersion, *, action: str) -> None:
    """Move `production` of a locked assistant, end its rollout, and remember it. The same version: nothing happens."""
    live = assistant.published_version
    if live is not None and live.id == version.id and assistant.rollout_version_id is None:
        return
    before = live.number if live else None
    assistant.published_version = version
    assistant.rollout_version = None
    assistant.rollout_percent = 0
    assistant.save(update_fields=["published_version", "rollout_version", "rollout_percent", "updated_at"])
    _remember(assistant, PRODUCTION, before, version.number)
    audit.record(action=action, target=assistant, before={"version": before}, after={"version": version.number})


def require_label_name(label: str) -> None:
    """Raises `Invalid` for a word that cannot be a label."""
    if label in STANDING_LABELS:
        return
    if len(label) > LABEL_LENGTH or not _FORM.fullmatch(label):
        sentence = f"A label has small letters, digits and hyphens, begins with a letter, {LABEL_LENGTH} at most."
        raise Invalid(sentence, errors={"label": [sentence]})
    if label in _TAKEN_WORDS:
        sentence = f"“{label}” already means something else here. Choose another word."
        raise Invalid(sentence, errors={"label": [sentence]})


def _remember(assistant: Assistant, label: str, before: int | None, after: int | None) -> None:
    actor = current_actor()
    LabelMove.objects.create(
        assistant=assistant,
        label=label,
        from_number=before,
        to_number=after,
        author_label=actor.label[:200] if actor else "Parley",
    )


def _audit(action: str, assistant: Assistant, label: str, before: int | None, after: int | None) -> None:
    audit.record(
        action=action,
        target=assistant,
        before={"label": label, "version": before},
        after={"label": label, "version": after},
    )
