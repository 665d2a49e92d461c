"""The parts of the supervisor that are easier to look at one by one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from parley.embedded import guardian
from parley.embedded.application import Application
from parley.embedded.children import Child, Guardian, Program
from parley.embedded.database_access import with_credentials
from parley.embedded.folder import DataFolder
from parley.embedded.os_user import OsUser, others_may_reach, package_for
from parley.embedded.ports import find_free_port, find_free_ports, may_listen
from parley.embedded.postgres import PostgresCluster
from parley.embedded.problems import AlreadyRunning, CannotStart
from tests.parley.embedded.running import environment, is_alive, until


def _python(code: str, folder: Path, *, ready_words: str | None = None) -> Program:
    return Program("part", "part", [sys.executable, "-c", code], {}, folder, ready_words=ready_words)


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    first = folder.secrets()
    assert DataFolder(tmp_path).secrets() == first
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert len({first.secret_key, first.valkey_password, *first.role_passwords.values()}) == 6


def test_folder_has_one_holder_until_that_one_ends(tmp_path: Path) -> None:
    """The lock is the kernel's: what a killed holder left behind keeps nobody out."""
    code = (
        "import sys, time, pathlib; from parley.embedded.folder import DataFolder;"
        f"DataFolder(pathlib.Path({str(tmp_path)!r})).open(address='http://first'); print('held', flush=True);"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning, match=rf"http://first, pid {holder.pid}"):
            DataFolder(tmp_path).open(address="http://second")
        running = DataFolder(tmp_path).who_runs()
        assert running is not None
        assert running.pid == holder.pid
        holder.kill()
    assert DataFolder(tmp_path).who_runs() is None
    DataFolder(tmp_path).open(address="http://second")


def test_folder_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="cannot be used"):
        DataFolder(tmp_path / "file").open(address="http://x")


def test_logs_of_earlier_starts_are_kept(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    for start in range(5):
        folder.fresh_log("web").write_text(f"start {start}")
    logs = tmp_path / "logs"
    assert {path.name: path.read_text() for path in logs.iterdir()} == {
        "web.log": "start 4",
        "web.log.1": "start 3",
        "web.log.2": "start 2",
        "web.log.3": "start 1",
    }


def test_child_is_ready_when_its_log_says_so(tmp_path: Path) -> None:
    watcher = Guardian()
    log = tmp_path / "part.log"
    log.write_text("ready: of the run before\n")
    code = "import time; time.sleep(0.4); print('ready: now', flush=True); time.sleep(60)"
    child = Child(_python(code, tmp_path, ready_words="ready:"), log, watcher)
    child.start()
    try:
        assert not child.check_ready()
        until(child.check_ready, what="the child says that it is ready")
    finally:
        child.ask_to_stop()
        child.wait_stopped(time.monotonic() + 5)
        watcher.close()
    assert child.pid is None


def test_restarts_wait_longer_each_time_up_to_a_limit(tmp_path: Path) -> None:
    watcher = Guardian()
    child = Child(_python("raise SystemExit(3)", tmp_path), tmp_path / "part.log", watcher)
    pauses = []
    for _ in range(3):
        pauses.append(child.pause)
        child.start()
        until(lambda: child.notice_crash() == 3, what="the exit code is noticed")
    child.crashes = 20
    watcher.close()
    assert pauses == [0.5, 1.0, 2.0]
    assert child.pause == 30.0


def test_long_log_is_moved_aside_while_the_child_writes_on(tmp_path: Path) -> None:
    watcher = Guardian()
    log = tmp_path / "part.log"
    code = "import time\nwhile True: print('x' * 1000, flush=True); time.sleep(0.01)"
    child = Child(_python(code, tmp_path), log, watcher)
    child.start()
    try:
        until(lambda: log.stat().st_size > 20_000, what="the log has grown")
        child.trim_log(20_000)
        assert log.with_name("part.log.1").stat().st_size > 20_000
        assert log.stat().st_size < 20_000
        size = log.stat().st_size
        until(lambda: log.stat().st_size > size, what="the child still writes")
        assert b"\0" not in log.read_bytes()
    finally:
        child.ask_to_stop()
        child.wait_stopped(time.monotonic() + 5)
        watcher.close()


def test_guardian_ends_whole_groups_when_its_supervisor_is_gone() -> None:
    """The portable net below the kernel's parent-death signal: here the children have no such signal."""
    code = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {code}; time.sleep(60)"
    children = [
        subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
        for program in (f"{code}; time.sleep(60)", stubborn)
    ]
    family = [psutil.Process(child.pid) for child in children]
    until(lambda: all(process.children() for process in family), what="each has a child of its own")
    family += [grandchild for process in family for grandchild in process.children()]
    watcher = subprocess.Popen([sys.executable, "-I", "-S", guardian.__file__], stdin=subprocess.PIPE, text=True)
    assert watcher.stdin is not None
    for child in children:
        print(f"+{child.pid} {int(signal.SIGTERM)}", file=watcher.stdin)
    watcher.stdin.close()  # which is what happens when the writing process is killed
    until(lambda: not any(is_alive(process) for process in family), what="all of both groups are gone")
    watcher.wait()
    for child in children:
        child.wait()


def test_free_ports_differ_and_taken_ones_are_seen() -> None:
    assert len(set(find_free_ports(4))) == 4
    port = find_free_port()
    assert may_listen("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)):
        assert not may_listen("127.0.0.1", port)


def test_programs_in_a_private_place_are_copied_to_a_public_one(tmp_path: Path) -> None:
    """As when the virtual environment is inside /root: nobody's folders are opened up for PostgreSQL's user."""
    private = tmp_path / "private"
    package, libraries = private / "thing" / "bin", private / "thing.libs"
    package.mkdir(parents=True)
    libraries.mkdir()
    (package / "program").write_text("#!/bin/sh\n")
    (package / "program").chmod(0o700)
    (libraries / "lib.so").write_text("")
    private.chmod(0o700)
    shared = tmp_path / "shared"
    copy = package_for(OsUser(65534, 65534), private / "thing", version="1", shared=shared)
    assert copy == shared / "thing-1" / "thing"
    assert (copy / "bin" / "program").stat().st_mode & 0o777 == 0o755
    assert (shared / "thing-1" / "thing.libs" / "lib.so").stat().st_mode & 0o777 == 0o644
    assert private.stat().st_mode & 0o777 == 0o700
    assert package_for(OsUser(65534, 65534), private / "thing", version="1", shared=shared) == copy
    assert package_for(None, private / "thing", version="1", shared=shared) == private / "thing"


def test_reach_depends_on_every_folder_above(tmp_path: Path) -> None:
    assert others_may_reach(Path("/usr/bin"))
    hidden = tmp_path / "hidden" / "inside"
    hidden.mkdir(parents=True)
    hidden.chmod(0o755)
    hidden.parent.chmod(0o700)
    assert not others_may_reach(hidden)


def test_address_is_kept_when_the_user_changes() -> None:
    url = "postgresql://boss:a%40b@db.example:6432/parley?sslmode=require"
    assert with_credentials(url, "app_rw", "x/y") == "postgresql://app_rw:x%2Fy@db.example:6432/parley?sslmode=require"


def test_fingerprint_changes_with_the_code_and_nothing_else(tmp_path: Path) -> None:
    application = Application(project=tmp_path)
    migration = tmp_path / "apps" / "one" / "migrations" / "0001_initial.py"
    migration.parent.mkdir(parents=True)
    migration.write_text("first")
    before = application.schema_fingerprint()
    os.utime(migration, (1, 1))
    (tmp_path / "README.md").write_text("words")
    assert application.schema_fingerprint() == before
    migration.write_text("second")
    assert application.schema_fingerprint() != before


def test_interrupted_first_start_is_begun_again(tmp_path: Path) -> None:
    """Half-made database files never pass for a database."""
    cluster = PostgresCluster(tmp_path / "postgres", find_free_port())
    half = tmp_path / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    assert not cluster.is_initialised
    cluster.initialise()
    assert (cluster.directory / "global" / "pg_control").exists()
    assert not half.exists()


def test_number_of_an_earlier_server_may_be_somebody_elses_now(tmp_path: Path) -> None:
    """After a reboot; waiting for that process would be waiting for ever."""
    cluster = PostgresCluster(tmp_path, find_free_port(), user=None)
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}\n")
    assert cluster.running_pid is None
    cluster.forget_predecessor()
    assert not (tmp_path / "postmaster.pid").exists()
