"""`up` from outside: what it makes, what it says, and that nothing survives it."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from parley.embedded.os_user import others_may_reach
from parley.embedded.ports import find_free_port, may_listen
from tests.parley.embedded.running import (
    RunningUp,
    command,
    environment,
    is_alive,
    listening_ports,
    page,
    until,
)

pytestmark = pytest.mark.xdist_group("embedded")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    """One that the tests of this module look at and treat well."""
    up = RunningUp(tmp_path_factory.mktemp("shared") / "data", find_free_port()).wait_ready()
    yield up
    up.stop()


def _environ_of(process: psutil.Process) -> dict[str, str]:
    """A process that has just ended (a worker's child, a health check) was told nothing that matters."""
    try:
        return process.environ()
    except psutil.NoSuchProcess:
        return {}


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), env=environment(), capture_output=True, text=True, check=False)


def test_first_start_says_each_step_and_the_address(running: RunningUp) -> None:
    for words in (
        "database files",
        "PostgreSQL) is ready",
        "Valkey) is ready",
        "Migrating",
        "web server is ready",
    ):
        assert words in running.said
    assert f"http://localhost:{running.port}/" in running.said


def test_data_folder_is_private(running: RunningUp) -> None:
    assert stat.S_IMODE(running.data.stat().st_mode) == 0o700
    for path in running.data.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, f"{path.name} is open to others"


def test_children_serve_as_the_restricted_role(running: RunningUp) -> None:
    """T-01 in embedded mode: what web is given is app_rw, without superuser, BYPASSRLS or inheritance."""
    url = page(running.port)
    assert url is not None
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolinherit FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == ("app_rw", False, False, False)


def test_owner_password_is_only_given_to_migration_and_maintenance(running: RunningUp) -> None:
    """T-01: web, worker and beat could not sign in as the owner of the tables if they wanted to."""
    told = [environ for child in running.family() if "DATABASE_URL" in (environ := _environ_of(child))]
    knowing = [environ for environ in told if "app_migrator" in "".join(environ.values())]
    assert len(told) - len(knowing) >= 3
    assert len(knowing) == 1, "only the maintenance of search, which serves nobody"
    assert "app_migrator" in running.environment()["PARLEY_MIGRATOR_DATABASE_URL"]


def test_superuser_cannot_come_in_over_the_network(running: RunningUp) -> None:
    url = page(running.port)
    assert url is not None
    port = psycopg.conninfo.conninfo_to_dict(url)["port"]
    with pytest.raises(psycopg.OperationalError, match="rejects connection"):
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres")


def test_embedded_database_keeps_its_promises_to_the_disk(running: RunningUp) -> None:
    """D-12: durable settings and data checksums, unlike the throw-away clusters of the tests."""
    with psycopg.connect(running.environment()["PARLEY_MIGRATOR_DATABASE_URL"]) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            row = connection.execute("SELECT current_setting(%s)", (setting,)).fetchone()
            assert row == ("on",), setting


def test_second_up_on_the_same_folder_says_who_runs(running: RunningUp) -> None:
    second = _run("up", "--data", str(running.data), "--port", str(find_free_port()))
    assert second.returncode == 1
    assert "already running from this folder" in second.stderr
    assert f"http://localhost:{running.port}" in second.stderr
    assert str(running.process.pid) in second.stderr
    assert "Traceback" not in second.stderr + second.stdout


def test_taken_port_is_a_sentence(running: RunningUp, tmp_path: Path) -> None:
    other = _run("up", "--data", str(tmp_path / "data"), "--port", str(running.port))
    assert other.returncode == 1
    assert f"Port {running.port} is taken" in other.stderr
    assert "Traceback" not in other.stderr + other.stdout


def test_crashed_child_is_named_and_started_again(running: RunningUp) -> None:
    web = next(child for child in running.family() if running.port in listening_ports([child]))
    grandchildren = web.children()
    assert grandchildren
    web.kill()
    running.read_until("The web server was ended by SIGKILL; starting it again")
    running.read_until("The web server is ready again")
    assert page(running.port) is not None
    assert not any(is_alive(child) for child in grandchildren), "the crashed server left a child behind"


def test_crashed_database_comes_back_with_its_data(running: RunningUp) -> None:
    url = page(running.port)
    assert url is not None
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO kept VALUES ('before the crash')")
    postmaster = psutil.Process(int((running.data / "postgres" / "postmaster.pid").read_text().split()[0]))
    postmaster.kill()
    running.read_until("PostgreSQL) was ended by SIGKILL")
    running.read_until("PostgreSQL) is ready again")
    with psycopg.connect(url) as connection:
        assert ("before the crash",) in connection.execute("SELECT word FROM kept").fetchall()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_the_supervisor(tmp_path: Path, how: signal.Signals) -> None:
    """Also not on kill -9, and the next start finds its port free and its data there."""
    up = RunningUp(tmp_path / "data", find_free_port()).wait_ready()
    url = page(up.port)
    assert url is not None
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO kept VALUES ('still here')")
    family = up.family()
    ports = listening_ports(family)
    assert {up.port} < ports
    up.stop(how)
    until(lambda: not any(is_alive(child) for child in family), what="every child has ended")
    assert all(may_listen("127.0.0.1", port) for port in ports)

    again = RunningUp(up.data, up.port).wait_ready()
    assert "Migrating" not in again.said
    url = page(again.port)
    assert url is not None
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT word FROM kept").fetchall() == [("still here",)]
    assert again.stop() == 0


def test_detached_runs_on_until_down(tmp_path: Path) -> None:
    data, port = tmp_path / "data", find_free_port()
    assert "No Parley runs" in _run("down", "--data", str(data)).stdout
    started = _run("up", "--detach", "--data", str(data), "--port", str(port))
    assert started.returncode == 0, started.stderr
    assert f"http://localhost:{port}/" in started.stdout
    assert page(port) is not None
    assert _run("down", "--data", str(data)).stdout == "Parley has stopped.\n"
    assert may_listen("127.0.0.1", port)


def test_detached_that_cannot_start_says_why(running: RunningUp, tmp_path: Path) -> None:
    started = _run("up", "--detach", "--data", str(tmp_path / "data"), "--port", str(running.port))
    assert started.returncode == 1
    assert f"Port {running.port} is taken" in started.stdout


def test_given_servers_are_used_instead_of_embedded_ones(running: RunningUp, tmp_path: Path) -> None:
    """DATABASE_URL whose user may create roles, and VALKEY_URL: no other change is needed."""
    given = running.environment()
    admin = _administrator_beside(running)
    env = environment(DATABASE_URL=admin, VALKEY_URL=given["VALKEY_URL"])
    up = RunningUp(tmp_path / "data", find_free_port(), env=env).wait_ready()
    try:
        assert "Using the PostgreSQL of DATABASE_URL" in up.said
        assert not (up.data / "postgres").exists()
        assert not (up.data / "valkey").exists()
        url = page(up.port)
        assert url is not None
        assert psycopg.conninfo.conninfo_to_dict(url)["dbname"] == "elsewhere"
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("app_rw",)
    finally:
        up.stop()


def _administrator_beside(running: RunningUp) -> str:
    """A user of the shared server who may make roles but is no superuser, with a database of its own."""
    port = psycopg.conninfo.conninfo_to_dict(running.environment()["DATABASE_URL"])["port"]
    root = f"postgresql://postgres@/postgres?host={running.data / 'postgres'}&port={port}"
    with psycopg.connect(root, autocommit=True) as connection:
        # As on managed servers: the roles of the shared Parley must first be the new administrator's.
        connection.execute("CREATE ROLE keeper LOGIN CREATEROLE CREATEDB BYPASSRLS PASSWORD 'secret'")
        connection.execute("CREATE DATABASE elsewhere OWNER keeper")
    with psycopg.connect(root.replace("/postgres?", "/elsewhere?"), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")  # which managed servers let such users do
    with psycopg.connect(root, autocommit=True) as connection:
        for role in ("app_migrator", "app_rw", "app_platform", "app_backup"):
            connection.execute(f"GRANT {role} TO keeper WITH ADMIN OPTION")
    return f"postgresql://keeper:secret@127.0.0.1:{port}/elsewhere"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_works_for_an_ordinary_user() -> None:
    """As `nobody`, who owns nothing but the folder it was given."""
    setpriv, python = shutil.which("setpriv"), _python_for_everybody()
    if setpriv is None or python is None:
        pytest.skip("needs setpriv, and this version of Python in a place that everybody may enter")
    home = Path("/var/tmp") / f"parley-nobody-{os.getpid()}"
    home.mkdir(mode=0o700)
    try:
        shutil.chown(home, 65534, 65534)
        become = [setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        env = environment(HOME=str(home))
        env["PYTHONPATH"] += f":{Path(psycopg.__file__).parents[1]}"
        up = RunningUp(home / "data", find_free_port(), prefix=become, python=python, env=env).wait_ready()
        assert {child.uids().real for child in up.family()} == {65534}
        assert up.stop() == 0
    finally:
        shutil.rmtree(home)


def _python_for_everybody() -> str | None:
    """Ours may live in root's home; then the system's, if it is of the same version."""
    for candidate in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        path = Path(candidate).resolve()
        if path.exists() and others_may_reach(path):
            return candidate
    return None
