"""Checks the prompt of a draft: its variables, its blocks, and that all its braces mean something."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, get_args

from apps.assistants.contracts import PinnedBlock, Variable, VariableSource, VariableType
from apps.assistants.models import Assistant
from apps.assistants.runtime.templates import LONGEST_VALUE, broken_places, fitting, references
from apps.assistants.selectors import newest_blocks

PROMPT_FIELDS = ("role", "tone", "instructions", "rules")
_MOST_VARIABLES = 30
_MOST_RULES = 30
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TYPES = get_args(VariableType)
_SOURCES = get_args(VariableSource)


def read_variables(rows: Sequence[Variable | Mapping[str, Any]]) -> tuple[list[Variable], list[str]]:
    """Declarations as values, and a sentence for each that cannot be one."""
    variables: list[Variable] = []
    problems: list[str] = []
    if len(rows) > _MOST_VARIABLES:
        return [], [f"A prompt has at most {_MOST_VARIABLES} variables."]
    for row in rows:
        variable = row if isinstance(row, Variable) else _read(row)
        found = list(_problems_of(variable))
        if not found and any(variable.name == other.name for other in variables):
            found = [f"The variable {variable.name} is declared twice."]
        problems += found
        variables.append(variable)
    return variables, problems


def pin_blocks(assistant: Assistant, *, renew: Iterable[str] = ()) -> None:
    """Pin, on the row, the blocks that the prompt names now: newly named and renewed ones at their newest version."""
    named = {one.name for text in _texts(assistant).values() for one in references(text) if one.kind == "block"}
    pinned = {block["slug"]: block for block in assistant.blocks if block["slug"] in named}
    newest = newest_blocks(sorted((named - pinned.keys()) | (named & set(renew))))
    for slug, block in newest.items():
        pinned[slug] = asdict(block)
    assistant.blocks = [pinned[slug] for slug in sorted(pinned)]


def problems_of_prompt(assistant: Assistant) -> dict[str, list[str]]:
    """Sentences by field: braces that mean nothing, names nobody declared, declarations nobody uses."""
    errors: dict[str, list[str]] = {}
    declared = {one["name"] for one in assistant.variables}
    blocks = {one["slug"]: PinnedBlock(**one) for one in assistant.blocks}
    used: set[str] = set()
    for field, text in _texts(assistant).items():
        problems = broken_places(text)
        for reference in dict.fromkeys(references(text)):
            if reference.kind == "variable":
                used.add(reference.name)
                problems += _undeclared(reference.name, declared, "")
            elif reference.name in blocks:
                block = blocks[reference.name]
                names = [one.name for one in references(block.text) if one.kind == "variable"]
                used.update(names)
                for name in dict.fromkeys(names):
                    problems += _undeclared(name, declared, f" of the block {block.name}")
            else:
                problems.append(f"There is no prompt block {reference.name!r}. Make it under Prompt blocks first.")
        if problems:
            errors[field] = problems
    unused = sorted(declared - used)
    if unused:
        errors["variables"] = [
            f"The variable {name} is used nowhere. Use it in the prompt or remove it." for name in unused
        ]
    if len(assistant.rules) > _MOST_RULES:
        errors["rules"] = [f"Write at most {_MOST_RULES} rules."]
    return errors


def _texts(assistant: Assistant) -> dict[str, str]:
    texts = {field: getattr(assistant, field) for field in PROMPT_FIELDS}
    return {**texts, "rules": "\n".join(assistant.rules)}


def _undeclared(name: str, declared: set[str], where: str) -> list[str]:
    if name in declared:
        return []
    return [f"“{{{{ {name} }}}}”{where} is not declared. Add a variable {name}, or write \\{{{{ for braces."]


def _read(row: Mapping[str, Any]) -> Variable:
    default = row.get("default")
    return Variable(
        name=str(row.get("name", "")).strip(),
        type=row.get("type") or "text",
        source=row.get("source") or "api",
        default=None if default in (None, "") else str(default).strip(),
        choices=tuple(str(choice).strip() for choice in row.get("choices") or () if str(choice).strip()),
    )


def _problems_of(variable: Variable) -> Iterable[str]:
    name = variable.name
    if not _NAME.fullmatch(name):
        shown = name or "A variable without a name"
        yield f"{shown}: use small letters, digits and underscores, beginning with a letter, 40 at most."
        return
    if variable.type not in _TYPES:
        yield f"{name}: the type must be one of {', '.join(_TYPES)}."
        return
    if variable.source not in _SOURCES:
        yield f"{name}: the source must be one of {', '.join(_SOURCES)}."
    if variable.type == "choice" and len(variable.choices) < 2:
        yield f"{name}: name at least two choices."
    if variable.type != "choice" and variable.choices:
        yield f"{name}: only the type choice has choices."
    if variable.source == "constant" and variable.default is None:
        yield f"{name}: a constant needs its value as the default."
    if variable.default is None:
        return
    if len(variable.default) > LONGEST_VALUE and variable.source != "constant":
        yield f"{name}: keep the default under {LONGEST_VALUE} characters."
    elif variable.type != "text" and fitting(variable, variable.default) is None:
        wanted = {"number": "a number", "boolean": "yes or no", "choice": "one of the choices"}[variable.type]
        yield f"{name}: the default {variable.default!r} is not {wanted}."
