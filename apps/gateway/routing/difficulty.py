"""How hard a message looks, from its words alone. Pure.

An honest default until a trained estimate takes its place: length, several tasks at once, words that ask for
reasoning, code and figures each add a little. It is monotone in each of them and knows nothing about meaning.
"""

from __future__ import annotations

import re

# Twice this many words count as long as a message can count.
_LONG_WORDS = 120
_REASONING = re.compile(
    r"\b(?:why|how come|explain|compare|contrast|prove|derive|analy[sz]e|evaluate|design|plan|optimi[sz]e|debug|"
    r"trade-?offs?|step by step|pros and cons|implications?|strategy|versus|vs)\b",
    re.IGNORECASE,
)
_TASKS = re.compile(
    r"\?|\b(?:and then|also|furthermore|finally|secondly)\b|^\s*(?:[-*]|\d+[.)])\s", re.IGNORECASE | re.MULTILINE
)
_CODE = re.compile(r"```|[{};]\s*$|\b(?:def|class|SELECT|function|import)\b|=>|!=|==", re.MULTILINE)
_FIGURES = re.compile(r"\d")


def difficulty(message: str) -> float:
    """0 for the easiest message to 1 for the hardest; the same message always gets the same number."""
    words = len(message.split())
    parts = (
        0.35 * min(1.0, words / _LONG_WORDS),
        0.30 * min(1.0, len(_REASONING.findall(message)) / 2),
        0.15 * min(1.0, max(0, len(_TASKS.findall(message)) - 1) / 3),
        0.15 * bool(_CODE.search(message)),
        0.05 * min(1.0, len(_FIGURES.findall(message)) / 6),
    )
    return min(1.0, sum(parts))
