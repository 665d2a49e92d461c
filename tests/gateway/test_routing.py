"""The pure parts of routing: order, repeats and addresses."""

from __future__ import annotations

from decimal import Decimal
from ipaddress import ip_address

import pytest

from apps.gateway.contracts import Price
from apps.gateway.enums import PriceOrigin
from apps.gateway.prices import price_of
from apps.gateway.routing.addresses import literal_address, objection_to_addresses, objection_to_url
from apps.gateway.routing.breaker import Breaker
from apps.gateway.routing.catalog import KNOWN_PROVIDERS, price_list_name
from apps.gateway.routing.chain import order_choices
from apps.gateway.routing.failures import MAX_ATTEMPTS, is_free, pause_before_retry
from parley.llm import LlmError
from tests.gateway.choices import make_choice


def test_pinned_first_then_the_route_then_the_last_resort_each_once() -> None:
    first, second, pinned, last = (make_choice(label=name) for name in ("first", "second", "pinned", "last"))
    assert order_choices([first, second], pinned=pinned, last_resort=last) == (pinned, first, second, last)
    assert order_choices([first, second], pinned=second, last_resort=last) == (second, first, last)
    assert order_choices([last, first], last_resort=last) == (last, first)
    assert order_choices([], last_resort=None) == ()


def test_only_faults_that_may_pass_are_repeated_and_never_for_long() -> None:
    assert pause_before_retry(LlmError("unreachable", "x"), 1) is not None
    assert pause_before_retry(LlmError("rate_limited", "x", retry_after=1.0), 1) == pytest.approx(1.0)
    assert pause_before_retry(LlmError("rate_limited", "x", retry_after=30.0), 1) is None
    assert pause_before_retry(LlmError("unreachable", "x"), MAX_ATTEMPTS) is None
    for kind in ("authentication", "context_overflow", "refused", "not_found", "timeout"):
        assert pause_before_retry(LlmError(kind, "x"), 1) is None  # type: ignore[arg-type]


def test_a_silent_or_broken_model_may_have_read_the_prompt() -> None:
    """B-04: what may have cost something is charged; what was turned away is not."""
    assert not any(is_free(LlmError(kind, "x")) for kind in ("timeout", "bad_response", "refused"))  # type: ignore[arg-type]
    assert all(is_free(LlmError(kind, "x")) for kind in ("unreachable", "rate_limited", "authentication"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://models.example/v1",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "https://",
        "models.example/v1",
        "https://user:password@models.example/v1",
        "https://models.example/v1?key=1",
        "https://models.example/v1#x",
        "https://models.example:99999/v1",
        "http://[::1",
        "http://metadata.google.internal/computeMetadata/v1",
        "http://METADATA.google.internal./",
    ],
)
def test_addresses_that_are_never_a_provider(url: str) -> None:
    assert objection_to_url(url)


METADATA = """169.254.169.254 2852039166 0xa9fea9fe 0251.0376.0251.0376 ::ffff:169.254.169.254
64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1 100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254"""


@pytest.mark.parametrize("host", METADATA.split())
def test_cloud_metadata_is_refused_even_where_private_addresses_are_allowed(host: str) -> None:
    address = literal_address(host)
    assert address is not None
    assert objection_to_addresses([address], is_private_allowed=True)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "::1",
        "fc00::1",
        "100.64.0.1",
    ],
)
def test_private_addresses_need_the_installations_consent(host: str) -> None:
    address = literal_address(host)
    assert address is not None
    assert objection_to_addresses([address], is_private_allowed=False)
    assert objection_to_addresses([address], is_private_allowed=True) is None


def test_one_bad_address_among_good_ones_is_enough() -> None:
    assert objection_to_addresses([ip_address("93.184.216.34"), ip_address("10.0.0.1")], is_private_allowed=False)
    assert objection_to_addresses([ip_address("93.184.216.34")], is_private_allowed=False) is None
    assert objection_to_url("https://api.example.com/v1") is None


def test_only_the_companies_themselves_have_list_prices() -> None:
    """B-08: a model called gpt-4o on somebody's own server is not OpenAI's."""
    assert price_list_name(kind="openai", litellm_provider="", base_url="https://api.openai.com/v1") == "openai"
    assert price_list_name(kind="openai", litellm_provider="", base_url="http://10.0.0.5:8000/v1") is None
    assert price_list_name(kind="litellm", litellm_provider="anthropic", base_url="") == "anthropic"
    assert all(objection_to_url(entry.base_url) is None for entry in KNOWN_PROVIDERS if entry.base_url)


def test_the_list_prices_models_of_the_companies_and_nothing_else() -> None:
    """B-08: own price before list price, list price before a refusal."""
    own = Price(Decimal(1), Decimal(2))

    def price(base_url: str, name: str, own: Price | None = None) -> tuple[Price | None, PriceOrigin]:
        return price_of(kind="openai", litellm_provider="", base_url=base_url, model_name=name, own=own)

    listed, origin = price("https://api.openai.com/v1", "gpt-4o-mini")
    assert listed == Price(Decimal("0.15"), Decimal("0.6"), Decimal("0.075"))
    assert origin == PriceOrigin.TABLE
    assert price("https://api.openai.com/v1", "gpt-4o-mini", own) == (own, PriceOrigin.OWN)
    assert price("https://api.openai.com/v1", "no-such-model") == (None, PriceOrigin.UNKNOWN)
    assert price("http://10.0.0.5:8000/v1", "gpt-4o-mini") == (None, PriceOrigin.UNKNOWN)
    assert price_of(kind="local", litellm_provider="", base_url="", model_name="x", own=None)[1] == PriceOrigin.FREE


def test_a_model_that_keeps_failing_is_left_alone_and_probed_once() -> None:
    """S-11: nobody waits for the sixth silence; after the pause one call finds out."""
    breaker = Breaker()
    for second in range(4):
        breaker.failed("m", float(second))
        assert breaker.allows("m", float(second))
    breaker.failed("m", 4.0)
    assert not breaker.allows("m", 5.0)
    assert breaker.allows("other", 5.0)
    assert breaker.allows("m", 34.1)
    assert not breaker.allows("m", 34.2)
    breaker.failed("m", 40.0)
    assert not breaker.allows("m", 69.0)
    assert breaker.allows("m", 70.1)
    breaker.worked("m")
    assert breaker.allows("m", 70.2)


def test_failures_far_apart_do_not_add_up() -> None:
    breaker = Breaker()
    for minute in range(10):
        breaker.failed("m", minute * 60.0)
        assert breaker.allows("m", minute * 60.0)
