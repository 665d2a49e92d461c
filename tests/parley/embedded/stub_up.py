"""`up` with real PostgreSQL and Valkey, and small stand-ins for the programs that are Parley itself.

The supervision under test is the shipped one; only what it supervises is light enough to start many times.
Run as `python stub_up.py <folder with the stand-ins' marks> up …`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from parley.embedded.__main__ import main
from parley.embedded.application import Application, answers
from parley.embedded.children import Program
from parley.embedded.options import UpOptions

# Answers every path with what it was told about the database, in a child of its own as prefork workers do.
SERVER = """
import http.server, os, sys, subprocess
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(os.environ.get("DATABASE_URL", "").encode())
    def log_message(self, *_): pass
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("grandchild", grandchild.pid, flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
SLEEPER = "import time; time.sleep(600)"
MIGRATION = """
import os, psycopg
with psycopg.connect(os.environ["PARLEY_MIGRATOR_DATABASE_URL"]) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
    connection.execute("GRANT SELECT, INSERT ON kept TO app_rw")
print("migrated")
"""


class StubApplication(Application):
    """The same shape as the real one."""

    def _python(self, name: str, title: str, env: Mapping[str, str], code: str, *arguments: str) -> Program:
        return Program(name, title, [sys.executable, "-c", code, *arguments], env, self.project)

    def _server(self, name: str, title: str, port: int, env: Mapping[str, str]) -> Program:
        argv = [sys.executable, "-c", SERVER, str(port)]
        return Program(name, title, argv, env, self.project, lambda: answers(port, "/"))

    def web(self, options: UpOptions, env: Mapping[str, str]) -> Program:
        return self._server("web", "web server", options.port, env)

    def worker(self, env: Mapping[str, str]) -> Program:
        return self._python("worker", "worker", env, SLEEPER)

    def beat(self, env: Mapping[str, str], schedule: Path) -> Program:
        return self._python("beat", "scheduler", env, SLEEPER)

    def maintenance(self, env: Mapping[str, str]) -> Program:
        return self._python("maintenance", "maintenance of search", env, SLEEPER)

    def embedder(self, port: int, env: Mapping[str, str]) -> Program:
        return self._server("embedder", "embedding model", port, env)

    def local_model(self, port: int, env: Mapping[str, str]) -> Program:
        return self._server("model", "local chat model", port, env)

    def migrate(self, env: Mapping[str, str]) -> Program:
        return self._python("migrate", "migration of the database", env, MIGRATION)

    def has_demo(self) -> bool:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], StubApplication()))
