"""`up`: from nothing to a running Parley, and back to nothing when told to stop."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parley.embedded.application import Application
from parley.embedded.children import Child
from parley.embedded.console import Console
from parley.embedded.database_access import (
    DatabaseAccess,
    record_fingerprint,
    recorded_fingerprint,
)
from parley.embedded.folder import DataFolder, RunningParley, Secrets
from parley.embedded.foundations import Foundations
from parley.embedded.options import UpOptions
from parley.embedded.ports import LOOPBACK, find_free_ports, may_listen
from parley.embedded.problems import CannotStart
from parley.embedded.supervisor import StopRequested, Supervisor

# Generous: a first start on a slow disk. A second start takes seconds.
_PATIENCE = 120.0
_PORT_SECONDS = 0.5
# Where `manage.py` in a second terminal looks; only there while everything runs.
_LEFT_BEHIND = "environment.json"
# Everything together, with the local model, and some air.
_COMFORTABLE_MB = 1800


class Up:
    """One run of `up`."""

    def __init__(self, options: UpOptions, application: Application, console: Console) -> None:
        self._options = options
        self._application = application
        self._console = console
        self._folder = DataFolder(options.data)
        self._supervisor: Supervisor

    def run(self) -> None:
        """Start everything, say so, and stay until a signal comes. Raises `CannotStart`."""
        self._folder.open(address=self._options.address)
        self._require_free_port()
        try:
            with Supervisor(self._folder, self._console).running() as self._supervisor:
                self._start()
                self._supervisor.run_until_stopped()
        except StopRequested:
            pass
        finally:
            self._folder.forget(_LEFT_BEHIND)
        self._console.say(f"Parley has stopped; your data is in {self._folder.path}")

    def _require_free_port(self) -> None:
        host, port = self._options.host, self._options.port
        if not may_listen(host, port):
            time.sleep(_PORT_SECONDS)  # after a kill -9 the last web server needs an instant to let go of it
        if not may_listen(host, port):
            raise CannotStart(
                f"Port {port} is taken by another program. Stop that program, or choose another port: "
                f"make up PORT={port + 1}"
            )

    # -- the steps --------------------------------------------------------------

    def _start(self) -> None:
        secrets = self._folder.secrets()
        foundations = Foundations(self._folder, self._supervisor, self._console)
        valkey_url = foundations.start_valkey(secrets.valkey_password)
        env = self._shared_environment(secrets, valkey_url)
        models = self._start_models(env)
        access = foundations.open_database(secrets.role_passwords)
        foundations.wait_ready()
        self._leave_environment(env | access.for_migrating)
        is_unchanged = self._migrate(access, env)
        serving = env | access.for_serving
        web = self._supervisor.start(self._application.web(self._options, serving))
        worker = self._supervisor.start(self._application.worker(serving))
        demo = self._make_demo(serving, models, is_unchanged=is_unchanged)
        self._supervisor.wait_ready(web, worker, seconds=_PATIENCE)
        # Nothing is due in the first seconds, and on a small machine the others start sooner without it.
        beat = self._supervisor.start(self._application.beat(serving, self._folder.path / "beat-schedule"))
        self._supervisor.wait_ready(beat, seconds=_PATIENCE)
        if access.migrator is not None:
            # Only the owner of the tables may make the indexes of large knowledge bases.
            self._supervisor.start(self._application.maintenance(env | access.for_migrating))
        running = RunningParley(pid=os.getpid(), address=self._options.address, is_ready=True)
        self._show_ready(demo)
        self._folder.announce(running)

    def _shared_environment(self, secrets: Secrets, valkey_url: str) -> dict[str, str]:
        """What every process of Parley is told; what the person set wins over what was generated."""
        source_roots = [str(self._application.project / "platform"), str(self._application.project)]
        generated = {
            "DJANGO_SETTINGS_MODULE": "parley.config.settings.local",
            "PARLEY_SECRET_KEY": secrets.secret_key,
            "PARLEY_ENCRYPTION_KEYS": secrets.encryption_key,
            "PARLEY_PUBLIC_URL": self._options.address,
        }
        told = {
            "PYTHONPATH": os.pathsep.join([*source_roots, *filter(None, [os.environ.get("PYTHONPATH")])]),
            "PYTHONUNBUFFERED": "1",
            # glibc keeps a heap per thread; two are enough and save tens of megabytes a process.
            "MALLOC_ARENA_MAX": "2",
            "PARLEY_DATA_DIR": str(self._folder.path),
            "PARLEY_DEMO": "1" if self._options.has_demo else "0",
            "VALKEY_URL": valkey_url,
        }
        without_keys = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
        return generated | without_keys | told

    def _start_models(self, env: dict[str, str]) -> list[Child]:
        """Start what is wanted, and tell the others where it is (by adding to `env`)."""
        model_port, embedder_port = find_free_ports(2)
        if self._options.has_local_model and (free := _free_memory_mb()) is not None and free < _COMFORTABLE_MB:
            self._console.say(
                f"Only {free} MB of memory are free. If the machine becomes slow, start with --no-local-model"
            )
        models = [self._supervisor.start(self._application.embedder(embedder_port, dict(env)))]
        env["PARLEY_EMBEDDER_URL"] = f"http://{LOOPBACK}:{embedder_port}"
        if self._options.has_local_model:
            models.append(self._supervisor.start(self._application.local_model(model_port, dict(env))))
            env["PARLEY_LOCAL_MODEL_URL"] = f"http://{LOOPBACK}:{model_port}"
        return models

    def _leave_environment(self, env: Mapping[str, str]) -> None:
        """For `manage.py` in a second terminal: where everything is."""
        names = {name for name in env if name.startswith("PARLEY_")} | {"DATABASE_URL", "VALKEY_URL"}
        self._folder.write_private(_LEFT_BEHIND, {name: env[name] for name in sorted(names)})

    def _migrate(self, access: DatabaseAccess, env: Mapping[str, str]) -> bool:
        """Bring the schema up to date; true when it already was."""
        fingerprint = self._application.schema_fingerprint()
        if recorded_fingerprint(access.app) == fingerprint:
            return True
        if access.migrator is None:
            raise CannotStart(
                "The database may need a migration, and the user of DATABASE_URL may not change its tables. "
                "Set PARLEY_MIGRATOR_DATABASE_URL to the owner of the tables (role app_migrator), or point "
                "DATABASE_URL at a user who may create roles."
            )
        with self._console.step("Migrating the database", "The database is up to date"):
            self._supervisor.run_once(self._application.migrate(dict(env) | access.for_migrating))
        record_fingerprint(access.migrator, fingerprint)
        return False

    def _make_demo(self, env: Mapping[str, str], models: list[Child], *, is_unchanged: bool) -> dict[str, Any]:
        """The demo's sign-in, from `manage.py demo --json` or from the last time it ran."""
        if not self._options.has_demo or not self._application.has_demo():
            return {}
        fingerprint = self._application.demo_fingerprint()
        known = self._folder.read_private("demo.json")
        if is_unchanged and known.get("fingerprint") == fingerprint:
            sign_in: dict[str, Any] = known["sign_in"]
            return sign_in
        self._supervisor.wait_ready(*models, seconds=_PATIENCE)
        with self._console.step("Preparing the demo", "The demo is ready"):
            sign_in = _last_json(self._supervisor.run_once(self._application.demo(env)))
        self._folder.write_private("demo.json", {"fingerprint": fingerprint, "sign_in": sign_in})
        return sign_in

    def _show_ready(self, demo: Mapping[str, Any]) -> None:
        lines = [f"Parley is ready:  {self._options.address}/"]
        if "email" in demo:
            lines += [
                "",
                "Demo sign-in",
                f"  e-mail    {demo['email']}",
                f"  password  {demo.get('password', '')}",
            ]
            if demo.get("api_key"):
                lines.append(f"  API key   {demo['api_key']}")
        if not self._options.has_local_model:
            lines += ["", "The local chat model is off: answers quote the documents."]
        lines += ["", f"Data and logs: {self._folder.path}", "Stop with Ctrl-C, or with `manage.py down`."]
        self._console.box(lines)


def _free_memory_mb() -> int | None:
    """Memory that programs could have now; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _last_json(output: str) -> dict[str, Any]:
    """The JSON object a command printed, whatever its logs said before."""
    start = len(output)
    while (start := output.rfind("{", 0, start)) != -1:
        try:
            content: dict[str, Any] = json.loads(output[start:])
        except ValueError:
            continue
        return content
    return {}
