"""Does the answer match a pattern, without letting a pattern stop the worker?"""

from __future__ import annotations

import regex

from apps.evaluations.contracts import AnswerRecord, CaseSpec, Score
from apps.evaluations.scorers.base import (
    PlainScorer,
    ScorerFailed,
    ScorerTools,
    SettingField,
    Settings,
    SettingsError,
)

MAX_PATTERN_LENGTH = 500
MAX_TEXT_LENGTH = 50_000
TIMEOUT_SECONDS = 0.5
# Counted repeats are unrolled when a pattern is compiled: nested ones multiply, so their product is bounded.
MAX_REPEAT_PRODUCT = 10_000


class RegularExpression(PlainScorer):
    """Searches with a time limit, because a short pattern can ask for more steps than anybody will wait."""

    kind = "regex"
    label = "Regular expression"
    description = "The answer matches a pattern, or must not match it."
    position = 20
    fields = (
        SettingField(
            name="pattern",
            label="Pattern",
            kind="text",
            default="",
            is_required=True,
            max_length=MAX_PATTERN_LENGTH,
            hint="Upper and lower case do not matter. Example: https?://\\S+",
        ),
        SettingField(
            name="expect",
            label="Passes when",
            kind="choice",
            default="match",
            choices=(("match", "the answer matches"), ("no_match", "the answer does not match")),
        ),
    )

    def check(self, settings: Settings) -> None:
        """The pattern must compile and may not unroll into a huge one."""
        pattern = settings["pattern"]
        product = 1
        for low, high in regex.findall(r"\{(\d+)(?:,(\d*))?\}", pattern):
            product *= max(int(low), int(high or 0), 1)
        if product > MAX_REPEAT_PRODUCT:
            raise SettingsError({"pattern": [f"The repeats multiply to more than {MAX_REPEAT_PRODUCT:,}."]})
        try:
            _compile(pattern)
        except regex.error as problem:
            raise SettingsError({"pattern": [f"This is not a valid pattern: {problem}."]}) from None

    async def score(self, case: CaseSpec, answer: AnswerRecord, settings: Settings, tools: ScorerTools) -> Score:
        """1 or 0. A search that takes too long is a failure of the pattern, not of the answer."""
        try:
            match = _compile(settings["pattern"]).search(answer.text[:MAX_TEXT_LENGTH], timeout=TIMEOUT_SECONDS)
        except TimeoutError:
            raise ScorerFailed(
                f"The pattern took longer than {TIMEOUT_SECONDS:g} seconds. Write it without nested repeats."
            ) from None
        is_passed = (match is not None) == (settings["expect"] == "match")
        found = f"Matches “{match.group()[:120]}”." if match else "Does not match the pattern."
        return Score(value=float(is_passed), is_passed=is_passed, reason=found)


def _compile(pattern: str) -> regex.Pattern[str]:
    return regex.compile(pattern, regex.IGNORECASE | regex.MULTILINE)


SCORER = RegularExpression()
