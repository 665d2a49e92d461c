"""Whether a sentence of an answer is supported by the passages it cites. Pure: neither tables nor network."""

from parley.llm.groundedness.checker import CheckedSentence, Verdict, check, is_claim
from parley.llm.groundedness.evidence import Evidence

__all__ = ["CheckedSentence", "Evidence", "Verdict", "check", "is_claim"]
