"""The commands that make up Parley itself, as a person would type them; nothing of it is imported here."""

from __future__ import annotations

import hashlib
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from parley.embedded.children import Program
from parley.embedded.options import PROJECT, UpOptions
from parley.embedded.ports import LOOPBACK

# What decides whether the database fits the code, or the demo fits the guide.
_SCHEMA_FILES = ("apps/**/*.py", "platform/parley/**/*.py", "requirements/run.txt")
_DEMO_FILES = (*_SCHEMA_FILES, "docs/guide/**/*", "platform/parley/config/demo/**/*")
_WORKER_SLOTS = 2


@dataclass(frozen=True, slots=True)
class Application:
    """Makes the programs of one Parley for the environment they shall see. `project` holds its source."""

    project: Path = PROJECT

    def web(self, options: UpOptions, env: Mapping[str, str]) -> Program:
        workers = ["--workers", str(options.web_processes)] if options.web_processes > 1 else []
        listen = ["--host", options.host, "--port", str(options.port)]
        quiet = ["--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "5"]
        argv = [sys.executable, "-m", "uvicorn", "parley.config.asgi:application", *listen, *workers, *quiet]
        # Sockets are closed by a ping after this long without an answer; proxies cut idle ones after 60 s.
        keepalive = ["--ws-ping-interval", "20", "--ws-ping-timeout", "40", "--timeout-keep-alive", "75"]
        return Program(
            "web",
            "web server",
            [*argv, *keepalive],
            env,
            self.project,
            lambda: answers(options.port, "/readyz"),
        )

    def worker(self, env: Mapping[str, str]) -> Program:
        argv = [sys.executable, "-m", "celery", "-A", "parley.config.celery", "worker", "--loglevel", "INFO"]
        # There is one worker: nobody to greet, to gossip with or to send heartbeats to.
        alone = ["--without-mingle", "--without-gossip", "--without-heartbeat"]
        command = [*argv, *alone, "--concurrency", str(_WORKER_SLOTS)]
        return Program("worker", "worker", command, env, self.project, ready_words=" ready.")

    def beat(self, env: Mapping[str, str], schedule: Path) -> Program:
        argv = [sys.executable, "-m", "celery", "-A", "parley.config.celery", "beat", "--loglevel", "WARNING"]
        return Program("beat", "scheduler", [*argv, "--schedule", str(schedule), "--pidfile="], env, self.project)

    def maintenance(self, env: Mapping[str, str]) -> Program:
        argv = [sys.executable, str(self.project / "manage.py"), "maintain_search_indexes", "--watch"]
        return Program("maintenance", "maintenance of search", argv, env, self.project)

    def embedder(self, port: int, env: Mapping[str, str]) -> Program:
        argv = [sys.executable, "-m", "parley.llm.embedder_server", "--port", str(port)]
        return Program("embedder", "embedding model", argv, env, self.project, lambda: answers(port, "/healthz"))

    def local_model(self, port: int, env: Mapping[str, str]) -> Program:
        argv = [sys.executable, "-m", "parley.llm.local_model_server", "--port", str(port)]
        return Program("model", "local chat model", argv, env, self.project, lambda: answers(port, "/health"))

    def migrate(self, env: Mapping[str, str]) -> Program:
        return self._manage("migrate", "migration of the database", env, "migrate", "--no-input")

    def demo(self, env: Mapping[str, str]) -> Program:
        return self._manage("demo", "demo", env, "demo", "--json")

    def has_demo(self) -> bool:
        """Whether this Parley knows how to make a demo."""
        return any(self.project.glob("*/**/management/commands/demo.py"))

    def _manage(self, name: str, title: str, env: Mapping[str, str], *command: str) -> Program:
        argv = [sys.executable, str(self.project / "manage.py"), *command]
        return Program(name, title, argv, env, self.project)

    def schema_fingerprint(self) -> str:
        """Changes whenever a migration might be needed."""
        return self._fingerprint(_SCHEMA_FILES)

    def demo_fingerprint(self) -> str:
        """Changes whenever the demo might look different."""
        return self._fingerprint(_DEMO_FILES)

    def _fingerprint(self, patterns: tuple[str, ...]) -> str:
        digest = hashlib.sha256()
        for path in sorted({path for pattern in patterns for path in self.project.glob(pattern) if path.is_file()}):
            digest.update(str(path.relative_to(self.project)).encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


def answers(port: int, path: str, *, timeout: float = 2.0) -> bool:
    """Whether a server on this machine answers the path with 200 now."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=timeout) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False
