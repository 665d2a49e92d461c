"""The vocabulary: frozen, and silent about secrets."""

import dataclasses

import pytest

from parley.llm import ChatMessage, EmbedTarget, LlmError, ModelTarget, count_tokens


def test_a_key_never_shows_in_a_repr() -> None:
    """L-18: logs and error pages print objects; the key must not be in there."""
    assert "s3cret" not in repr(ModelTarget("openai", "m", "http://x/v1", "s3cret"))
    assert "s3cret" not in repr(EmbedTarget("openai", "m", "http://x/v1", "s3cret"))


def test_requests_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ChatMessage("user", "a").content = "b"  # type: ignore[misc]  # that it fails is what is tested


@pytest.mark.parametrize(
    ("kind", "is_retryable"),
    [
        ("unreachable", True),
        ("timeout", True),
        ("rate_limited", True),
        ("bad_response", True),
        ("authentication", False),
        ("context_overflow", False),
        ("refused", False),
        ("not_found", False),
    ],
)
def test_only_faults_that_may_pass_are_worth_a_retry(kind: str, is_retryable: bool) -> None:
    assert LlmError(kind, "A sentence.").is_retryable is is_retryable  # type: ignore[arg-type]  # from the table above


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("", 0, 0),
        ("a", 1, 1),
        ("The quick brown fox jumps over the lazy dog.", 9, 13),
        ("if (a[i] == b) { return f(x, y); }", 11, 24),
        ("Größenänderung überprüfen", 6, 13),
        ("日本語の文章です", 4, 14),
    ],
)
def test_token_estimates_are_near(text: str, least: int, most: int) -> None:
    assert least <= count_tokens(text) <= most
