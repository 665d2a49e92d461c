"""Nothing in a test run may call a model on another machine."""

import pytest

from parley.llm import EmbedRequest, EmbedTarget, ModelTarget, embed, guard
from tests.parley.llm.requests import a_request, events_of


@pytest.mark.parametrize(
    "target",
    [
        ModelTarget("openai", "m", "https://api.example.com/v1", "k"),
        ModelTarget("openai", "m", None, "k"),
        ModelTarget("openai", "m", "http://127.0.0.1.example.com/v1", "k"),
        ModelTarget("openai", "m", "http://10.0.0.1/v1", "k"),
        ModelTarget("litellm", "anthropic/claude", None, "k"),
    ],
)
async def test_a_call_to_another_machine_raises(target: ModelTarget) -> None:
    with pytest.raises(guard.RemoteModelForbidden):
        await events_of(a_request(target))


@pytest.mark.parametrize("backend", ["openai", "litellm"])
def test_so_does_an_embedding(backend: str) -> None:
    target = EmbedTarget(backend, "m", "https://api.example.com/v1", "k")  # type: ignore[arg-type]  # the two names
    with pytest.raises(guard.RemoteModelForbidden):
        embed(EmbedRequest(target, ("a",)))


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/v1", "http://localhost/v1", "http://[::1]:8/v1"])
def test_this_machine_is_allowed(address: str) -> None:
    guard.require_allowed(address)


def test_without_the_switch_everything_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(guard.SWITCH)
    guard.require_allowed("https://api.example.com/v1")
    guard.require_allowed(None)


def test_the_whole_test_run_is_guarded() -> None:
    """The test settings switch it on for every test, not only for those beside this one."""
    from django.conf import settings

    assert settings.PARLEY_FORBID_REMOTE_MODELS
