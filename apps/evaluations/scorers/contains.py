"""Does the answer state the expected facts?"""

from __future__ import annotations

from apps.evaluations.contracts import AnswerRecord, CaseSpec, Score
from apps.evaluations.scorers.base import PlainScorer, ScorerTools, SettingField, Settings
from apps.evaluations.scorers.wording import states


class Contains(PlainScorer):
    """Looks for each fact in any of its wordings; spelling of case, spaces and numbers does not matter."""

    kind = "contains"
    label = "Contains"
    description = "The answer states the expected facts. Upper and lower case, spaces and number formats do not matter."
    position = 10
    fields = (
        SettingField(
            name="require",
            label="Passes when",
            kind="choice",
            default="all",
            choices=(("all", "every fact is stated"), ("any", "at least one fact is stated")),
        ),
    )

    async def score(self, case: CaseSpec, answer: AnswerRecord, settings: Settings, tools: ScorerTools) -> Score:
        """`value` is the share of the facts that are stated."""
        if not case.expected_facts:
            return Score.skipped("The case has no expected facts.")
        missing = [fact[0] for fact in case.expected_facts if not any(states(answer.text, wording) for wording in fact)]
        count = len(case.expected_facts)
        found = count - len(missing)
        is_passed = found > 0 if settings["require"] == "any" else not missing
        reason = f"States {found} of {count} expected facts."
        if missing:
            reason += " Missing: " + "; ".join(f"“{fact}”" for fact in missing) + "."
        return Score(value=found / count, is_passed=is_passed, reason=reason)


SCORER = Contains()
