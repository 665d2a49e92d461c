"""A new row as a part of a larger statement: one round trip where the ORM would make several."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import Model


def insert_parts(row: Model) -> tuple[str, str, list[Any]]:
    """Columns, placeholders and values of a row that is not stored yet, in one order.

    For `INSERT INTO table (columns) VALUES (placeholders)` or `… SELECT placeholders FROM …`; both texts are made
    from the model's own names, never from data.
    """
    fields = row._meta.concrete_fields
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
    return columns, ", ".join(["%s"] * len(fields)), values
