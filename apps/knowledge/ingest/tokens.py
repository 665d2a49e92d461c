"""Counts text as the local embedder will: a chunk longer than its window would be cut off in silence."""

from __future__ import annotations

from functools import lru_cache

from tokenizers import Tokenizer

from parley.llm.local_model_files import embedder_tokenizer


@lru_cache(maxsize=1)
def word_pieces() -> Tokenizer:
    """The embedder's own tokenizer, without its truncation."""
    tokenizer = Tokenizer.from_file(str(embedder_tokenizer()))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def count_tokens(text: str) -> int:
    """Word pieces in `text`, without the two marks that frame every input."""
    return len(word_pieces().encode(text, add_special_tokens=False))
