"""A small chunk is found, its section is given: parent-child retrieval."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.knowledge import selectors
from apps.knowledge.contracts import RetrievalSettings
from apps.knowledge.retrieval.sections import Sibling, give_sections, widen
from parley.tenancy import use_tenant
from tests.fixtures import TenantWithKey

Make = Callable[..., Any]

SECTION = {letter: Sibling(letter.upper(), 10) for letter in "abcde"}


@pytest.mark.parametrize(
    ("found", "budget", "given"),
    [("c", 10, "c"), ("c", 20, "cd"), ("c", 30, "bcd"), ("a", 30, "abc"), ("e", 30, "cde"), ("c", 999, "abcde")],
)
def test_a_section_grows_around_what_was_found(found: str, budget: int, given: str) -> None:
    assert widen(found, SECTION, budget=budget) == list(given)


def test_what_a_better_one_tells_already_is_left_out() -> None:
    given = give_sections(["c", "b", "e"], lambda key: SECTION, budget=30)
    assert given == {"c": "B\n\nC\n\nD", "e": "E"}


def test_a_base_gives_the_section_around_a_passage(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    rules = " ".join(f"Rule {number} of the house is kept by everybody who lives in it." for number in range(60))
    text = (
        f"# Rules\n\n{rules}\n\nThe zebra sleeps in the yard.\n\n# Other\n\nNothing about animals stands in this part."
    )
    base = make_base(tenant_a)
    index(tenant_a, add(tenant_a, base, "rules.md", text.encode()))
    with use_tenant(tenant_a.tenant.id):
        alone = selectors.search(knowledge_base_ids=[base.id], query="zebra yard", limit=1)[0]
        settings = RetrievalSettings(section_tokens=600)
        wide = selectors.search(knowledge_base_ids=[base.id], query="zebra yard", limit=5, settings=settings)
    assert alone.section == ""
    assert alone.reading == alone.text
    assert wide[0].text == alone.text
    assert wide[0].reading.endswith(alone.text)
    assert len(wide[0].reading) > 1.5 * len(alone.text)
    assert "Nothing about animals" not in wide[0].reading
    assert not any(other.text in wide[0].reading for other in wide[1:])
