"""Counting run by run gives what the embedder's tokenizer counts in the whole text."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from apps.knowledge.ingest.tokens import count_tokens, word_pieces

_ODD_SPACE = " \t\n\r\x0b\x0c\x1c\x85\u00a0\u2003\u2028\u200b\ufeff"


@given(st.text(st.sampled_from("abzÉßİ中文👍🏽\u0301.,-'(0189" + _ODD_SPACE), max_size=60))
@example("unbelievable re-indexing\x0bof\x1cthe\u00a0tokenizer's\u2003words\n\n  twice  ")
def test_runs_add_up_to_the_whole(text: str) -> None:
    assert count_tokens(text) == len(word_pieces().encode(text, add_special_tokens=False))
