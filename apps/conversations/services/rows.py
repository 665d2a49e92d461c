"""The writes that every message makes, each as one statement: round trips are most of what a message costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection

from apps.conversations.models import Conversation, Generation, Message
from parley.db.inserts import insert_parts


def store_exchange(conversation: Conversation, messages: Sequence[Message], generation: Generation) -> None:
    """Store new messages and the run that answers, and the conversation's title, time and version.

    Runs inside the caller's `tenant_tx`.
    """
    columns = ""
    rows: list[str] = []
    said: list[Any] = []
    for message in messages:
        columns, placeholders, values = insert_parts(message)
        rows.append(f"({placeholders})")
        said += values
        message._state.adding = False
    run_columns, run_placeholders, run = insert_parts(generation)
    generation._state.adding = False
    spoken: list[Any] = [conversation.title, conversation.last_message_at, conversation.version_id]
    spoken += [conversation.tenant_id, conversation.id]
    with connection.cursor() as cursor:
        cursor.execute(
            # Only names of columns and placeholders are put into the text.
            f"WITH said AS (INSERT INTO conversations_message ({columns}) VALUES {', '.join(rows)}), "  # noqa: S608 - see above
            "spoken AS (UPDATE conversations_conversation SET title = %s, last_message_at = %s, version_id = %s "
            "WHERE tenant_id = %s AND id = %s) "
            f"INSERT INTO conversations_generation ({run_columns}) VALUES ({run_placeholders})",
            [*said, *spoken, *run],
        )


def store_end(generation: Generation, message: Message) -> None:
    """Store how a locked run ended, and the text of its message. Runs inside the caller's `tenant_tx`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH said AS (UPDATE conversations_message SET text = %s, checks = %s::jsonb "
            "WHERE tenant_id = %s AND id = %s) "
            "UPDATE conversations_generation SET status = %s, text = %s, seq = %s, error = %s, lease_until = NULL, "
            "call_id = %s, model_label = %s, failed_calls = %s::jsonb, route_reason = %s, input_tokens = %s, "
            "output_tokens = %s, cost = %s, first_text_at = %s, "
            "finished_at = %s WHERE tenant_id = %s AND id = %s",
            [
                message.text,
                json.dumps(message.checks) if message.checks is not None else None,
                message.tenant_id,
                message.id,
                generation.status,
                generation.text,
                generation.seq,
                generation.error,
                generation.call_id,
                generation.model_label,
                json.dumps(generation.failed_calls),
                generation.route_reason,
                generation.input_tokens,
                generation.output_tokens,
                generation.cost,
                generation.first_text_at,
                generation.finished_at,
                generation.tenant_id,
                generation.id,
            ],
        )
