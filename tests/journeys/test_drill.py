"""An upload of many files of which a tenth is hostile, on workers that are killed: nothing is lost, all is explained.

`make bench ONLY=drill` does it with 500 files and measures how long the newcomer takes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.journeys.drill import FLAKY, hold_drill, mixed_files
from tests.journeys.product import Outsider, Product
from tests.services import TEMPLATE_DATABASE, TestServices

pytestmark = [pytest.mark.xdist_group("journeys"), pytest.mark.timeout(400)]

GOOD, BAD = 24, 6


@pytest.fixture
def product(test_services: TestServices, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    name = f"parley_drill_{worker_id}"
    test_services.create_database(name, template=TEMPLATE_DATABASE)
    product = Product(
        test_services,
        name,
        test_services.valkey_url.rsplit("/", 1)[0] + "/11",
        tmp_path_factory.mktemp("drill"),
        environment={"PARLEY_JOB_LEASE_SECONDS": "3"},
    )
    try:
        product.start_web()
        product.start_beat()
        product.start_worker("one", with_beat=False)
        product.start_worker(FLAKY, with_beat=False)
        yield product
    finally:
        product.stop()


def test_c01_c02_c06_every_good_file_is_found_and_every_bad_one_explained(product: Product) -> None:
    """While kill -9 hits a worker at random, the broker forgets everything, and another organisation wants a turn."""
    dice = random.Random(11)
    keys = product.set_up("acme", "globex")
    product.wait_for_web()
    with Outsider(product, keys["acme"]) as acme, Outsider(product, keys["globex"]) as globex:
        outcome = hold_drill(product, acme, globex, mixed_files(GOOD, BAD, dice), dice)
    assert outcome.not_found == []
    assert outcome.not_explained == []
    assert outcome.kills > 0
    assert outcome.overtaken_by <= 3, outcome
