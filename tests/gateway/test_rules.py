"""Rules of a route: which wins, why the others do not, and what is no rule. No database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.routing.buckets import bucket_of, choose_weighted, is_within
from apps.gateway.routing.decide import Decision, decide
from apps.gateway.routing.difficulty import difficulty
from apps.gateway.routing.facts import RequestFacts
from apps.gateway.routing.language import language_of
from apps.gateway.routing.likeness import likeness
from apps.gateway.routing.rule_reading import Unreadable, read_policy, read_rule, read_rules, rule_json
from apps.gateway.routing.rules import Instruments

SMALL, LARGE, OTHER = (UUID(int=number) for number in (1, 2, 3))
USABLE = {SMALL, LARGE, OTHER}
INSTRUMENTS = Instruments(similarity=likeness, difficulty=difficulty)
# A Saturday.
NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def rule(name: str, *when: dict[str, Any], to: UUID = LARGE, **fields: Any) -> dict[str, Any]:
    return {"name": name, "when": list(when), "targets": [{"model_id": str(to)}], **fields}


def facts(message: str = "Hello", **fields: Any) -> RequestFacts:
    values: dict[str, Any] = {"key": "conversation", "at": NOON, "language": language_of(message), **fields}
    return RequestFacts(message=message, **values)


def decided(*rules: dict[str, Any], about: RequestFacts, usable: set[UUID] = USABLE) -> Decision:
    return decide(read_rules(list(rules)), about, instruments=INSTRUMENTS, usable=usable, salt="route")


LONG = {"kind": "length", "comparison": "at_least", "characters": 20}
HOLDING: list[tuple[dict[str, Any], RequestFacts]] = [
    (LONG, facts("x" * 20)),
    ({"kind": "length", "comparison": "at_most", "characters": 5}, facts("Hello")),
    ({"kind": "language", "languages": ["de", "fr"]}, facts("Wie kann ich das Passwort ändern?")),
    ({"kind": "topic", "keywords": ["money back"], "examples": []}, facts("I want my MONEY back!")),
    (
        {"kind": "topic", "keywords": [], "examples": ["I forgot my password"], "similarity": 50},
        facts("Forgot password, please help"),
    ),
    ({"kind": "attachment", "is_present": True}, facts(has_attachment=True)),
    ({"kind": "tools", "are_needed": True}, facts(needs_tools=True)),
    ({"kind": "time", "days": [5], "from": "11:00", "to": "13:00"}, facts()),
    ({"kind": "budget", "comparison": "at_most", "percent": 20}, facts(budget_left=20)),
    ({"kind": "share", "percent": 100}, facts()),
    (
        {"kind": "difficulty", "comparison": "at_least", "percent": 40},
        facts("Explain why, and compare both designs. Also analyse the trade-offs:\n- cost?\n- speed?\n```sql\n```"),
    ),
]
FAILING = [
    (LONG, facts("Hello"), "but it has 5 characters."),
    ({"kind": "language", "languages": ["de"]}, facts("What is the price of this?"), "but it looks like English."),
    ({"kind": "topic", "keywords": ["refund"]}, facts("It is refundable"), "but it holds none of the words."),
    (
        {"kind": "topic", "examples": ["I forgot my password"], "similarity": 60},
        facts("Which wine goes with fish?"),
        "like the nearest example.",
    ),
    ({"kind": "attachment", "is_present": True}, facts(), "but it has no attachment."),
    ({"kind": "tools", "are_needed": True}, facts(), "but it needs no tools."),
    ({"kind": "time", "days": [0], "from": "00:00", "to": "00:00"}, facts(), "but it is Saturday, 12:00."),
    ({"kind": "time", "from": "13:00", "to": "11:59"}, facts(), "but it is Saturday, 12:00."),
    ({"kind": "budget", "comparison": "at_most", "percent": 20}, facts(budget_left=21), "but 21 % is left."),
    ({"kind": "budget", "comparison": "at_most", "percent": 20}, facts(), "but there is no limit."),
    ({"kind": "share", "percent": 0}, facts(), "but it is not one of them."),
    ({"kind": "difficulty", "comparison": "at_least", "percent": 40}, facts("Hello"), "but it looks 0 % difficult."),
]


@pytest.mark.parametrize(("condition", "about"), HOLDING, ids=lambda value: str(value)[:40])
def test_a_rule_whose_condition_holds_wins(condition: dict[str, Any], about: RequestFacts) -> None:
    decision = decided(rule("It", condition), about=about)
    assert decision.model_id == LARGE
    assert decision.rule is not None
    assert decision.rule.sentence().startswith("If ")
    assert decision.considered[0].outcome == "won"


@pytest.mark.parametrize(("condition", "about", "reason"), FAILING, ids=lambda value: str(value)[:40])
def test_a_rule_that_does_not_hold_says_why(condition: dict[str, Any], about: RequestFacts, reason: str) -> None:
    decision = decided(rule("It", condition), about=about)
    assert decision.model_id is None
    assert decision.considered[0].outcome == "lost"
    assert decision.considered[0].reason.startswith("It asks that ")
    assert decision.considered[0].reason.endswith(reason)


def test_the_first_rule_that_holds_wins_and_each_other_one_says_why_not() -> None:
    decision = decided(
        rule("Off", to=OTHER, is_enabled=False),
        rule("Gone", to=uuid4()),
        rule("Long", LONG, to=OTHER),
        rule("Any", to=SMALL),
        rule("Late", to=LARGE),
        about=facts(),
    )
    assert decision.model_id == SMALL
    assert [item.outcome for item in decision.considered] == ["switched_off", "no_model", "lost", "won", "not_asked"]
    assert decision.reason == "Rule “Any”: It always holds."


def test_all_conditions_of_a_rule_must_hold() -> None:
    both = rule("Both", {"kind": "attachment", "is_present": False}, LONG)
    assert decided(both, about=facts("Hello")).model_id is None
    assert decided(both, about=facts("x" * 20)).model_id == LARGE


def test_a_span_over_midnight_belongs_to_the_day_it_began_on() -> None:
    night = rule("Friday night", {"kind": "time", "days": [4], "from": "22:00", "to": "06:00"})
    at = {hour: NOON.replace(hour=hour) for hour in (5, 6, 23)}
    assert decided(night, about=facts(at=at[5])).model_id == LARGE
    assert decided(night, about=facts(at=at[6])).model_id is None
    assert decided(night, about=facts(at=at[23])).model_id is None
    assert decided(night, about=facts(at=at[23].replace(day=27))).model_id == LARGE


def test_a_split_keeps_its_weights_and_each_conversation_its_side() -> None:
    entry = rule("Split")
    entry["targets"] = [{"model_id": str(SMALL), "weight": 80}, {"model_id": str(LARGE), "weight": 20}]
    (read,) = read_rules([entry])

    def side(key: str, usable: set[UUID] = USABLE) -> UUID | None:
        return decide([read], facts(key=key), instruments=INSTRUMENTS, usable=usable, salt="route").model_id

    sides = {f"c{number}": side(f"c{number}") for number in range(4_000)}
    share = sum(model == LARGE for model in sides.values()) / len(sides)
    assert 0.17 < share < 0.23
    assert all(side(key) == model for key, model in sides.items())
    # A model that may not be called now leaves its share to the others.
    assert {side(key, {LARGE}) for key in list(sides)[:20]} == {LARGE}


@given(key=st.text(max_size=20), percent=st.integers(0, 99))
def test_a_larger_share_keeps_every_conversation_of_a_smaller_one(key: str, percent: int) -> None:
    assert 0 <= bucket_of("salt", key) < 10_000
    if is_within("salt", key, percent):
        assert is_within("salt", key, percent + 1)


@given(weights=st.lists(st.integers(1, 1_000), min_size=1, max_size=8), key=st.text(max_size=20))
def test_every_key_falls_on_one_of_the_weights(weights: list[int], key: str) -> None:
    assert 0 <= choose_weighted("salt", key, weights) < len(weights)


def test_rules_survive_being_stored() -> None:
    rules = read_rules([rule(f"Rule {number}", condition) for number, (condition, _) in enumerate(HOLDING)])
    assert read_rules([rule_json(item) for item in rules]) == rules


def test_a_rule_is_one_plain_sentence() -> None:
    read = read_rule(rule("It", {"kind": "language", "languages": ["de", "fr"]}, LONG))
    assert read.sentence() == "If the message is in German or French and the message has at least 20 characters"
    assert replace(read, conditions=()).sentence() == "Always"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"name": "", "targets": []}, "Give the rule a name"),
        ({"name": "x", "targets": []}, "Choose 1 to 8 models"),
        ({"name": "x", "targets": [{"model_id": "gpt"}]}, "names a model by its id"),
        ({**rule("x"), "wen": []}, "“wen” is not known here"),
        (rule("x", {"kind": "mood"}), "A condition's kind is one of"),
        (rule("x", {"kind": ["length"]}), "A condition's kind is one of"),
        (rule("x", {"kind": "length", "characters": "many"}), "“characters” is a whole number from 0 to 100,000"),
        (rule("x", {"kind": "length", "characters": True}), "“characters” is a whole number"),
        (rule("x", {"kind": "length", "comparison": "over", "characters": 1}), "at_least or at_most"),
        (rule("x", {"kind": "language", "languages": ["xx"]}), "list of codes among en, de"),
        (rule("x", {"kind": "topic"}), "A topic needs keywords or examples"),
        (rule("x", {"kind": "topic", "keywords": [""]}), "“keywords” is a list"),
        (rule("x", {"kind": "time", "from": "25:00", "to": "01:00"}), "a time of the day such as 18:30"),
        (rule("x", {"kind": "time", "days": [7]}), "numbers from 0 (Monday) to 6 (Sunday)"),
        (rule("x", {"kind": "share", "percent": 101}), "from 0 to 100"),
        (rule("x", id="1"), "given by Parley"),
        ("rule", "must be an object"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_rule_is_refused_with_a_sentence(data: Any, sentence: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_rules([data])
    assert str(caught.value).startswith("Rule 1: ")
    assert sentence in str(caught.value)


def test_a_policy_is_read_with_its_defaults() -> None:
    assert read_policy({}).hedge_after_ms is None
    assert "refusal" in read_policy({}).fallback_on
    assert read_policy({"fallback_on": ["timeout"]}).fallback_on == {"timeout"}
    wrong: Any
    for wrong in ({"fallback_on": ["rain"]}, {"hedge_after_ms": 1}, {"retries": 3}, []):
        with pytest.raises(Unreadable):
            read_policy(wrong)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I reset my password?", "en"),
        ("Wie kann ich mein Passwort zurücksetzen?", "de"),
        ("Comment puis-je changer mon mot de passe ?", "fr"),
        ("¿Cómo puedo cambiar mi contraseña?", "es"),
        ("Как изменить пароль?", "ru"),
        ("パスワードを変更するには?", "ja"),
        ("如何更改密码", "zh"),
        ("12345", None),
        ("", None),
    ],
)
def test_languages_of_short_messages(text: str, language: str | None) -> None:
    assert language_of(text) == language


@given(st.text(max_size=400))
def test_difficulty_is_a_share_and_the_same_each_time(message: str) -> None:
    assert 0 <= difficulty(message) <= 1
    assert difficulty(message) == difficulty(message)


def test_a_long_task_is_harder_than_a_greeting() -> None:
    task = "Explain step by step why the query is slow, compare two indexes, and then propose a design. " * 3
    assert difficulty("Hi there") < difficulty("Which plan has 15 seats?") < difficulty(task)
