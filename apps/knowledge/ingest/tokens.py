"""Counts text as the local embedder will: a chunk longer than its window would be cut off in silence."""

from __future__ import annotations

import re
from functools import lru_cache

from tokenizers import Tokenizer

from parley.llm.local_model_files import embedder_tokenizer

# Only what the tokenizer takes for white space, too: other control characters vanish in it.
_RUN = re.compile(r"[^ \t\n\r]+")


@lru_cache(maxsize=1)
def word_pieces() -> Tokenizer:
    """The embedder's own tokenizer, without its truncation."""
    tokenizer = Tokenizer.from_file(str(embedder_tokenizer()))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def count_tokens(text: str) -> int:
    """Word pieces in `text`, without the two marks that frame every input.

    No piece reaches across white space, and a document says the same words again and again: each is cut up once.
    """
    return sum(map(_count_of_run, _RUN.findall(text)))


@lru_cache(maxsize=65_536)
def _count_of_run(run: str) -> int:
    return len(word_pieces().encode(run, add_special_tokens=False))
