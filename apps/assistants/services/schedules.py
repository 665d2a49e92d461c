"""Moves of labels that wait for their time: planned by people, carried out from the row by beat."""

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.assistants.enums import MoveState
from apps.assistants.models import ScheduledMove
from apps.assistants.selectors import get_version
from apps.assistants.services.labels import move_label, require_label_name
from apps.assistants.services.rows import lock_assistant
from apps.assistants.services.versions import save_version
from apps.tenants.services import audit
from parley.errors import Conflict, Invalid, NotFound
from parley.web.actors import current_actor


@transaction.atomic
def schedule_move(
    *, assistant_id: UUID, label: str, due_at: datetime, number: int | None = None, note: str = ""
) -> ScheduledMove:
    """Plan that a label moves to a version at a time; without a number the draft is saved as that version now.

    A label waits for one move at a time. Raises `NotFound`, `Invalid`, `Conflict` when one waits already. Audited as
    `assistant.move_scheduled`.
    """
    require_label_name(label)
    if due_at <= timezone.now():
        sentence = "Choose a time that is still to come."
        raise Invalid(sentence, errors={"due_at": [sentence]})
    assistant = lock_assistant(assistant_id)
    version = save_version(assistant_id=assistant_id, note=note) if number is None else get_version(assistant, number)
    actor = current_actor()
    move = ScheduledMove(
        assistant=assistant,
        label=label,
        version=version,
        due_at=due_at,
        author_label=actor.label[:200] if actor else "Parley",
    )
    try:
        with transaction.atomic():
            move.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(f"A move of {label} is planned already. Cancel it first.") from error
    audit.record(
        action="assistant.move_scheduled",
        target=assistant,
        after={"label": label, "version": version.number, "due_at": due_at.isoformat()},
    )
    return move


@transaction.atomic
def cancel_move(*, move_id: UUID) -> None:
    """Take a planned move back. Audited as `assistant.move_cancelled`.

    Raises `NotFound`, `Conflict` when it is over.
    """
    move = _lock(move_id)
    if move is None:
        raise NotFound("There is no such planned move.")
    if move.state != MoveState.WAITING:
        raise Conflict("This move has been carried out or cancelled already.")
    _end(move, MoveState.CANCELLED)
    audit.record(
        action="assistant.move_cancelled",
        target=move.assistant,
        after={"label": move.label, "version": move.version.number},
    )


@transaction.atomic
def carry_out_move(*, move_id: UUID) -> bool:
    """Move the label when its time has come. Returns whether it moved; repeated or early calls change nothing."""
    move = _lock(move_id)
    if move is None or move.state != MoveState.WAITING or move.due_at > timezone.now():
        return False
    if move.assistant.deleted_at is not None:
        _end(move, MoveState.CANCELLED)
        return False
    move_label(assistant_id=move.assistant_id, label=move.label, number=move.version.number)
    _end(move, MoveState.DONE)
    return True


def _lock(move_id: UUID) -> ScheduledMove | None:
    moves = ScheduledMove.objects.select_for_update(of=("self",)).select_related("assistant", "version")
    move: ScheduledMove | None = moves.filter(id=move_id).first()
    return move


def _end(move: ScheduledMove, state: MoveState) -> None:
    move.state = state
    move.ended_at = timezone.now()
    move.save(update_fields=["state", "ended_at"])
