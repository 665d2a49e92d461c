"""500 mixed files, 30 of them damaged or hostile, indexed by two workers while one is killed and the broker flushed.

The issue's own drill: every good file must be found by a word that only it says, every bad one must be explained by a
sentence, and another organisation's single file, uploaded in the middle, be ready within 5 s of its turn.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Figure

if TYPE_CHECKING:
    from tests.journeys.product import Product

ROOT = Path(__file__).resolve().parents[1]
GOOD, BAD = 470, 30


def run() -> Iterator[Figure]:
    """`drill.not_found`, `drill.not_explained` (files), `…files_per_second`, `…newcomer_wait`, `…newcomer_turn` (s)."""
    sys.path.insert(0, str(ROOT / "platform"))
    from tests.journeys.drill import hold_drill, mixed_files
    from tests.journeys.product import Outsider

    dice = random.Random(5)
    with _product() as product:
        keys = product.set_up("acme", "globex")
        product.wait_for_web()
        with Outsider(product, keys["acme"]) as acme, Outsider(product, keys["globex"]) as globex:
            end = hold_drill(product, acme, globex, mixed_files(GOOD, BAD, dice), dice)
    for name in (*end.not_found, *end.not_explained):
        print(f"{name} did not end as it should.", file=sys.stderr)
    note = f"{GOOD} good and {BAD} bad files, 2 workers, {end.kills} kills, one flush, {end.taken_over} jobs taken over"
    yield Figure("drill.not_found", float(len(end.not_found)), "files", reference=0.0, note=note)
    yield Figure("drill.not_explained", float(len(end.not_explained)), "files", reference=0.0)
    yield Figure("drill.files_per_second", (GOOD + BAD) / end.seconds, "1/s", note="uploads, kills and search included")
    yield Figure(
        "drill.newcomer_wait",
        end.newcomer_wait,
        "s",
        note=f"from its upload to its turn; {end.overtaken_by} jobs of the other organisation began meanwhile",
    )
    yield Figure("drill.newcomer_turn", end.newcomer_turn, "s", note="from its turn to being ready; bar 5 s")


@contextmanager
def _product() -> Iterator[Product]:
    from parley.embedded.throwaway import start_throwaway_services
    from tests.journeys.drill import FLAKY
    from tests.journeys.product import Product

    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-", ignore_cleanup_errors=True) as folder,
        start_throwaway_services(Path(folder), settings={}) as services,
    ):
        services.create_database("parley")
        environment = {**os.environ, **services.environment("parley")}
        environment |= {"DJANGO_SETTINGS_MODULE": "parley.config.settings.local"}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "platform"), str(ROOT)])
        migrate = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"]
        subprocess.run(migrate, env=environment, check=True)
        product = Product(services, "parley", services.valkey_url, Path(folder))
        try:
            product.start_web()
            product.start_beat()
            product.start_worker("one", with_beat=False)
            product.start_worker(FLAKY, with_beat=False)
            yield product
        finally:
            product.stop()
