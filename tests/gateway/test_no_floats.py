"""Guards of the house that concern money."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection, models

from parley.db import MoneyField
from tests.services import ROOT

MONEY_MODULES = sorted(
    path
    for path in (ROOT / "apps" / "gateway").rglob("*.py")
    if "migrations" not in path.parts
    and path.name
    not in ("failures.py", "addresses.py", "breaker.py", "difficulty.py", "learning.py", "likeness.py", "facts.py")
)
MONEY_WORDS = ("price", "cost", "amount", "limit", "spent", "held", "overage")


@pytest.mark.parametrize("path", MONEY_MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_float_where_money_is_counted(path: Path) -> None:
    """B-07: neither a literal nor a conversion. Temperatures, vectors, scores and deadlines are not money."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name) and node.id == "float" and not _holds_temperatures_or_vectors(path):
            found.append(node.lineno)
        if isinstance(node, ast.Constant) and isinstance(node.value, float) and not _holds_deadlines(path):
            found.append(node.lineno)
    assert not found, f"{path} uses floats in lines {found}"


def _holds_temperatures_or_vectors(path: Path) -> bool:
    return path.name in (
        "completions.py",
        "embeddings.py",
        "reranking.py",
        "attempts.py",
        "hedging.py",
        "faults.py",
        "keys.py",
        "rates.py",
    )


def _holds_deadlines(path: Path) -> bool:
    return path.name in ("providers.py", "embeddings.py", "reranking.py", "attempts.py", "keys.py")


def test_every_money_column_is_exact() -> None:
    """B-07: numeric(18, 9) in the models and in the database, and no floating point beside it."""
    fields = [field for model in apps.get_app_config("gateway").get_models() for field in model._meta.concrete_fields]
    assert not [field for field in fields if isinstance(field, models.FloatField)]
    named = [
        field
        for field in fields
        if any(word in field.name.split("_") for word in MONEY_WORDS) and not isinstance(field, models.ForeignKey)
    ]
    assert len(named) >= 12
    assert all(isinstance(field, MoneyField) for field in named)


@pytest.mark.django_db
def test_the_database_agrees() -> None:
    """B-07: read from PostgreSQL's own catalogue."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, data_type, numeric_precision, numeric_scale "
            "FROM information_schema.columns "
            "WHERE table_name LIKE 'gateway_%%' AND data_type IN ('numeric', 'real', 'double precision', 'money')"
        )
        rows = cursor.fetchall()
    assert len(rows) >= 12
    assert {row[2:] for row in rows} == {("numeric", 18, 9)}
