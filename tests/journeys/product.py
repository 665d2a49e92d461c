"""The product as the outside meets it: its own processes on a database of their own, reached over the wire only."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx
import psutil
import psycopg
from psycopg.conninfo import make_conninfo
from websockets.sync.client import ClientConnection, connect

from tests.services import ROOT, TEMPLATE_DATABASE, TestServices

if TYPE_CHECKING:
    from parley.embedded.throwaway import ThrowawayServices

T = TypeVar("T")

# One start of Python for what an operator types as three commands.
_SET_UP = """
import django, sys
django.setup()
from django.core.management import call_command
for name in sys.argv[1:]:
    call_command("create_tenant", name, "--owner", f"owner@{name}.example", "--slug", name, "--json")
    print()
    call_command("create_api_key", "--tenant", name, "--json")
    print()
"""


class Product:
    """Starts, kills and restarts the web process and the worker (with beat inside)."""

    def __init__(
        self,
        services: TestServices | ThrowawayServices,
        database: str,
        valkey_url: str,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.valkey_url = valkey_url
        self._admin_url = make_conninfo(services.admin_url, dbname=database)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self._port}"
        self._environment = {
            **services.environment(database),
            "DJANGO_SETTINGS_MODULE": "parley.config.settings.local",
            "VALKEY_URL": valkey_url,
            "PARLEY_DATA_DIR": str(folder),
            "PARLEY_PUBLIC_URL": self.url,
            "PARLEY_FORBID_REMOTE_MODELS": "1",
            "PARLEY_DEMO": "0",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
            **(environment or {}),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    # -- processes --------------------------------------------------------------------------------------
    def start_web(self) -> None:
        self._start("web", "uvicorn", "parley.config.asgi:application", "--port", str(self._port))

    def start_worker(self, name: str = "worker", *, with_beat: bool = True) -> None:
        """A worker with one slot; several need names, and one beat among them."""
        alone = ["--without-mingle", "--without-gossip", "--without-heartbeat", "--concurrency", "1"]
        beat = ["-B", "-s", str(self.folder / "beat")] if with_beat else []
        self._start(name, "celery", "-A", "parley.config.celery", "worker", "-n", f"{name}@tests", *beat, *alone)

    def start_beat(self) -> None:
        """The schedule in a process of its own, for workers that are killed."""
        schedule = str(self.folder / "beat")
        self._start("beat", "celery", "-A", "parley.config.celery", "beat", "-s", schedule, "--pidfile=")

    def kill_a_child(self, name: str) -> bool:
        """SIGKILL to a worker's process that runs jobs; its main process starts another. False when there is none."""
        killed = False
        with contextlib.suppress(psutil.NoSuchProcess, KeyError):
            for child in psutil.Process(self._running[name].pid).children():
                child.kill()
                killed = True
        return killed

    def wait_for_web(self) -> None:
        def answers() -> bool:
            process = self._running["web"]
            assert process.poll() is None, self._log("web")
            try:
                return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
            except httpx.TransportError:
                return False

        until(answers, within=40, every=0.1)

    def kill(self, name: str) -> None:
        """SIGKILL to the process and everything it started: nobody gets to say goodbye."""
        process = self._running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def stop(self) -> None:
        for name in list(self._running):
            self.kill(name)

    def set_up(self, *tenants: str) -> dict[str, str]:
        """Organisations by name, each with the text of an API key that may do everything."""
        done = subprocess.run(
            [sys.executable, "-c", _SET_UP, *tenants],
            env=self._environment,
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        printed = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        keys = [row["api_key"] for row in printed if "api_key" in row]
        return dict(zip(tenants, keys, strict=True))

    def execute(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """As the database's superuser: for time that no test can wait for, and for looking behind the scenes."""
        with psycopg.connect(self._admin_url) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def _start(self, name: str, *module_and_arguments: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", *module_and_arguments],
                env=self._environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]


@contextmanager
def running_product(services: TestServices, folder: Path, *, name: str, valkey_database: int) -> Iterator[Product]:
    """Web and worker, ready, on a fresh database called `name`."""
    services.create_database(name, template=TEMPLATE_DATABASE)
    valkey_url = services.valkey_url.rsplit("/", 1)[0] + f"/{valkey_database}"
    product = Product(services, name, valkey_url, folder)
    try:
        product.start_web()
        product.start_worker()
        yield product
    finally:
        product.stop()


class Outsider:
    """A program that holds an API key and an HTTP client, and knows the contract."""

    def __init__(self, product: Product, key: str) -> None:
        self.product = product
        self.key = key
        headers = {"Authorization": f"Bearer {key}"}
        self.http = httpx.Client(base_url=f"{product.url}/api/v1", headers=headers, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.http.close()

    def socket_url(self, conversation: str) -> str:
        return self.product.url.replace("http", "ws", 1) + f"/ws/v1/conversations/{conversation}/"

    @contextmanager
    def open_socket(self, conversation: str) -> Iterator[ClientConnection]:
        """A WebSocket that has been let in."""
        with connect(self.socket_url(conversation), ping_interval=None) as socket:
            say(socket, type="auth", token=self.key)
            assert hear(socket)["type"] == "ready"
            yield socket

    def call(self, method: str, path: str, *, status: int, **options: Any) -> Any:
        """The JSON of an answer that must have this status."""
        response = self.http.request(method, path, **options)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text[:500]}"
        return response.json() if response.content else None

    def get(self, path: str, **options: Any) -> Any:
        return self.call("GET", path, status=200, **options)

    def create(self, path: str, **fields: Any) -> Any:
        return self.call("POST", path, status=201, json=fields)

    def upload(self, base: str, name: str, content: bytes, media_type: str) -> str:
        """The id of the document, whose indexing goes on."""
        files = {"file": (name, content, media_type)}
        document = self.call("POST", f"/knowledge-bases/{base}/documents/", status=201, files=files)
        assert document["status"] == "queued"
        return str(document["id"])

    def until_indexed(self, document: str, *, within: float = 40) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            shown: dict[str, Any] = self.get(f"/documents/{document}/")
            assert 0 <= shown["progress"] <= 1
            return shown if shown["status"] in ("indexed", "failed") else None

        shown = until(ended, within=within, every=0.15)
        assert shown["status"] == "indexed", shown["error"]
        return shown

    def published_assistant(self, name: str, bases: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.create(
            "/assistants/", name=name, instructions="Answer from the sources.", knowledge_base_ids=list(bases), **fields
        )
        self.call("POST", f"/assistants/{made['id']}/publish/", status=200)
        return made

    def scripted_model(self, base_url: str, name: str) -> str:
        """The id of a model of a provider that costs a dollar a million tokens in, ten out."""
        provider = self.create("/providers/", name=f"House of {name}", kind="openai", base_url=base_url, api_key="sk-x")
        prices = {"input_price": "1", "output_price": "10"}
        model = self.create("/models/", provider_id=provider["id"], name=name, max_output_tokens=2000, **prices)
        return str(model["id"])

    def send(self, conversation: str, text: str, client_id: str) -> dict[str, str]:
        body = {"text": text, "client_id": client_id}
        taken: dict[str, str] = self.call("POST", f"/conversations/{conversation}/messages/", status=202, json=body)
        return taken

    def ended_generation(self, generation: str, *, within: float) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            shown: dict[str, Any] = self.get(f"/generations/{generation}/")
            return None if shown["status"] in ("queued", "running") else shown

        return until(ended, within=within, every=0.1)

    def budget(self) -> dict[str, Any]:
        """The running month's counters."""
        row: dict[str, Any] = self.get("/budgets/")["results"][0]
        return row

    def events(self, generation: str, *, after: int | None = None, until_seq: int | None = None) -> list[Any]:
        """Frames of the event stream from behind `after`, to its end or to `until_seq`."""
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        found = []
        with self.http.stream("GET", f"/generations/{generation}/events/", headers=headers) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            number = 0
            for line in response.iter_lines():
                if line.startswith("id: "):
                    number = int(line.removeprefix("id: "))
                if line.startswith("data: "):
                    frame = json.loads(line.removeprefix("data: "))
                    assert frame["seq"] == number
                    found.append(frame)
                    if until_seq is not None and number >= until_seq:
                        break
        return found


def say(socket: ClientConnection, **frame: Any) -> None:
    socket.send(json.dumps(frame))


def hear(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(timeout=20))


def hear_until(socket: ClientConnection, *kinds: str) -> list[Any]:
    """Frames up to the first of one of these types."""
    frames = [hear(socket)]
    while frames[-1]["type"] not in kinds:
        frames.append(hear(socket))
    return frames


def joined(frames: list[Any]) -> str:
    """The text a reader has put together: a snapshot replaces, a delta adds."""
    text = ""
    for frame in frames:
        if frame["type"] == "generation.snapshot":
            text = frame["text"]
        elif frame["type"] == "generation.delta":
            text += frame["text"]
    return text


def until(ask: Callable[[], T | None], *, within: float, every: float) -> T:
    """The first answer that is not empty. Fails after `within` seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if found := ask():
            return found
        time.sleep(every)
    raise AssertionError(f"Nothing after {within} seconds; the last answer was {ask()!r}.")
