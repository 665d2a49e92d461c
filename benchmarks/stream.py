"""What Parley adds to an upstream's stream: the whole path over a WebSocket, server on one core, load on the other.

The upstream is the scripted fake provider over real HTTP. Each answer goes through sign-in, tenant, budget hold,
rows, event log and settlement, as it does for a visitor.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

ROOT = Path(__file__).resolve().parents[1]
SERVER_CORE, LOAD_CORE = "0", "1"
RUNS = 5
IDLE_SOCKETS = 500
# Models of the fake provider: what they do stands in their names.
QUICK, PACED, LONG = "fake-1tok", "fake-20tps-100tok", "fake-1000tok"
ASSISTANTS = {"quick": QUICK, "paced": PACED, "long": LONG}


def run() -> Iterator[Figure]:
    """The group `stream`, by the names of the performance paper."""
    sys.path.insert(0, str(ROOT / "platform"))
    from parley.embedded.throwaway import start_throwaway_services

    os.sched_setaffinity(0, {int(LOAD_CORE)})
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        start_throwaway_services(Path(folder), settings={}) as services,
    ):
        services.create_database("parley")
        environment = _environment(services.environment("parley"), folder)
        _manage(environment, "migrate", "--verbosity", "0", "--skip-checks")
        with _provider(environment) as upstream:
            token = _child(environment, "prepare", upstream)
            with _server(environment) as (port, process_id):
                yield from asyncio.run(_Load(port, token, upstream, process_id).measure())
        yield _litellm_compared(_Load.tokens_per_core)


class _Load:
    """The clients. Times are in milliseconds."""

    tokens_per_core: list[float] = []

    def __init__(self, port: str, token: str, upstream: str, process_id: int) -> None:
        self.host = f"127.0.0.1:{port}"
        self.token = token
        self.upstream = upstream
        self.process_id = process_id

    async def measure(self) -> list[Figure]:
        import httpx

        async with httpx.AsyncClient(
            base_url=f"http://{self.host}", headers={"Authorization": f"Bearer {self.token}"}, timeout=60
        ) as http:
            self.http = http
            await self._warm_up()
            figures = [
                *await self._idle(),
                *await self._burst(),
                await self._messages_per_second(),
                *await self._in_flight(),
            ]
            await self._tokens_per_core()
            figures.append(Figure("stream.web_rss_mb", self._rss_mb(), "MB", note="after all of the above"))
            figures.append(await self._idle_sockets())
        return figures

    async def _warm_up(self) -> None:
        async with self._conversation("quick") as chat:
            for _ in range(5):
                await chat.ask()

    # -- figures ----------------------------------------------------------------------------------------
    async def _idle(self) -> list[Figure]:
        ours: list[list[float]] = []
        direct: list[list[float]] = []
        for _ in range(RUNS):
            # A socket of its own for each run: one takes 40 frames at once, then 20 a second.
            async with self._conversation("quick") as chat:
                ours.append([(await chat.ask())[0] for _ in range(30)])
            direct.append([await self._ask_upstream(QUICK) for _ in range(30)])
        return [_added(f"stream.first_token_added_{name}_idle", share, ours, direct) for name, share in _P50_P99]

    async def _burst(self) -> list[Figure]:
        async with contextlib.AsyncExitStack() as stack:
            chats = [await stack.enter_async_context(self._conversation("quick")) for _ in range(50)]
            values = [
                statistics.median(first for first, _ in await asyncio.gather(*(chat.ask() for chat in chats)))
                for _ in range(RUNS)
            ]
        return [Figure.of_runs("stream.first_token_burst_50_p50", "ms", values)]

    async def _messages_per_second(self) -> Figure:
        async with contextlib.AsyncExitStack() as stack:
            chats = [await stack.enter_async_context(self._conversation("quick")) for _ in range(20)]
            values = []
            for _ in range(RUNS):
                cpu, count, ends_at = self._cpu_seconds(), 0, time.perf_counter() + 3

                async def repeat(chat: _Chat, ends_at: float = ends_at) -> int:
                    asked = 0
                    while time.perf_counter() < ends_at:
                        await chat.ask()
                        asked += 1
                    return asked

                count = sum(await asyncio.gather(*(repeat(chat) for chat in chats)))
                values.append(count / (self._cpu_seconds() - cpu))
        return Figure.of_runs(
            "stream.messages_per_second_core", "messages/s", values, note="per second of the server's processor time"
        )

    async def _in_flight(self) -> list[Figure]:
        """50 conversations, each asks again as its answer ends: 100 tokens at 20 a second."""
        ours: list[float] = []
        direct: list[float] = []
        async with contextlib.AsyncExitStack() as stack:
            chats = [await stack.enter_async_context(self._conversation("paced")) for _ in range(50)]

            async def repeat(number: int) -> None:
                await asyncio.sleep(number * 0.1)
                for turn in range(4):
                    first, _ = await chats[number].ask()
                    if turn:
                        ours.append(first)

            async def compare() -> None:
                await asyncio.sleep(5)
                direct.extend([await self._ask_upstream(PACED) for _ in range(40)])

            await asyncio.gather(compare(), *(repeat(number) for number in range(50)))
        note = f"{len(ours)} answers in one steady state"
        added = [value - statistics.median(direct) for value in ours]
        return [
            Figure(
                f"stream.first_token_added_{name}_50",
                _percentile(added, share),
                "ms",
                reference=statistics.median(direct),
                note=note,
            )
            for name, share in (("p50", 50), ("p95", 95))
        ]

    async def _tokens_per_core(self) -> None:
        values = []
        async with contextlib.AsyncExitStack() as stack:
            chats = [await stack.enter_async_context(self._conversation("long")) for _ in range(10)]
            for _ in range(RUNS):
                cpu = self._cpu_seconds()
                await asyncio.gather(*(chat.ask() for chat in chats))
                values.append(10 * 1000 / (self._cpu_seconds() - cpu))
        _Load.tokens_per_core = values

    async def _idle_sockets(self) -> Figure:
        before = self._rss_mb()
        async with contextlib.AsyncExitStack() as stack:
            conversation_id = await self._start("quick")
            for _ in range(IDLE_SOCKETS):
                await stack.enter_async_context(self._enter(conversation_id))
            await asyncio.sleep(1)
            grown = self._rss_mb() - before
        return Figure("stream.idle_socket_kb", grown * 1024 / IDLE_SOCKETS, "kB", note=f"{IDLE_SOCKETS} sockets")

    # -- talking ----------------------------------------------------------------------------------------
    async def _start(self, assistant: str) -> str:
        response = await self.http.post("/api/v1/conversations/", json={"assistant": assistant})
        response.raise_for_status()
        return str(response.json()["id"])

    def _enter(self, conversation_id: str) -> Any:
        return _Chat.open(f"ws://{self.host}/ws/v1/conversations/{conversation_id}/", self.token)

    @contextlib.asynccontextmanager
    async def _conversation(self, assistant: str) -> Any:
        async with self._enter(await self._start(assistant)) as chat:
            yield chat

    async def _ask_upstream(self, model: str) -> float:
        started = time.perf_counter()
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "How many seats?"}]}
        async with self.http.stream(
            "POST", f"{self.upstream}/chat/completions", json=body, headers={"Authorization": "Bearer x"}
        ) as response:
            async for line in response.aiter_lines():
                if '"content"' in line:
                    return (time.perf_counter() - started) * 1000
        raise RuntimeError("The upstream said nothing.")

    # -- the server's process -------------------------------------------------------------------------
    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _rss_mb(self) -> float:
        for line in Path(f"/proc/{self.process_id}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("The server's memory cannot be read.")


class _Chat:
    """One conversation's socket."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._asked = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, token: str) -> Any:
        from websockets.asyncio.client import connect

        async with connect(url, compression=None, open_timeout=60) as connection:
            await connection.send(json.dumps({"type": "auth", "token": token}))
            if '"ready"' not in await connection.recv():
                raise RuntimeError("The server did not let the client in.")
            yield cls(connection)

    async def ask(self) -> tuple[float, float]:
        """Milliseconds to the first words and to the end."""
        self._asked += 1
        started = time.perf_counter()
        message = {"type": "message", "client_id": f"{id(self)}-{self._asked}", "text": "How many seats?"}
        await self._connection.send(json.dumps(message))
        first = 0.0
        async for text in self._connection:
            if not first and text.startswith('{"type":"generation.delta"'):
                first = (time.perf_counter() - started) * 1000
            elif text.startswith('{"type":"generation.completed"'):
                return first, (time.perf_counter() - started) * 1000
            elif text.startswith('{"type":"generation.failed"') or '"type": "error"' in text[:200]:
                raise RuntimeError(text[:300])
        raise RuntimeError("The socket was closed.")


_P50_P99 = (("p50", 50), ("p99", 99))


def _added(name: str, share: int, ours: Sequence[Sequence[float]], direct: Sequence[Sequence[float]]) -> Figure:
    references = [_percentile(sample, share) for sample in direct]
    values = [_percentile(sample, share) - other for sample, other in zip(ours, references, strict=True)]
    figure = Figure.of_runs(name, "ms", values)
    return Figure(
        name, figure.value, "ms", reference=statistics.median(references), runs=figure.runs, spread=figure.spread
    )


def _percentile(samples: Sequence[float], share: int) -> float:
    return statistics.quantiles(samples, n=100, method="inclusive")[share - 1]


# -- processes ------------------------------------------------------------------------------------------


def _environment(services: dict[str, str], folder: str) -> dict[str, str]:
    return {
        **os.environ,
        **services,
        "DJANGO_SETTINGS_MODULE": "parley.config.settings.local",
        "PARLEY_DATA_DIR": folder,
        "PARLEY_LOG_LEVEL": "ERROR",
        "PARLEY_ALLOW_PRIVATE_PROVIDERS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
    }


def _manage(environment: dict[str, str], *arguments: str) -> None:
    subprocess.run([sys.executable, str(ROOT / "manage.py"), *arguments], env=environment, cwd=ROOT, check=True)


def _child(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks.stream", *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1]


@contextlib.contextmanager
def _provider(environment: dict[str, str]) -> Iterator[str]:
    port = _free_port()
    command = [sys.executable, str(ROOT / "manage.py"), "fake_provider", "--port", port]
    with _started(command, environment, LOAD_CORE, port):
        yield f"http://127.0.0.1:{port}/v1"


@contextlib.contextmanager
def _server(environment: dict[str, str]) -> Iterator[tuple[str, int]]:
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", "parley.config.asgi:application", "--port", port]
    quiet = ["--log-level", "error", "--no-access-log"]
    with _started([*command, *quiet], environment, SERVER_CORE, port) as process:
        yield port, process.pid


@contextlib.contextmanager
def _started(
    command: list[str], environment: dict[str, str], core: str, port: str
) -> Iterator[subprocess.Popen[bytes]]:
    pinned = ["taskset", "-c", core, *command]
    with subprocess.Popen(pinned, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(int(port), process)
            yield process
        finally:
            process.terminate()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    ends_at = time.monotonic() + 60
    while time.monotonic() < ends_at and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError("A process of the benchmark did not start; its output is above.")


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _prepare(upstream: str) -> str:
    """A tenant with one assistant per model of the upstream; returns a key."""
    import django

    django.setup()
    from decimal import Decimal

    from apps.assistants.services.assistants import create_assistant
    from apps.assistants.services.versions import publish
    from apps.gateway.services import models, providers
    from apps.tenants.models import User
    from apps.tenants.policies import ALL_PERMISSIONS
    from apps.tenants.services.api_keys import create_api_key
    from apps.tenants.services.tenants import create_tenant
    from parley.tenancy import tenant_tx

    owner = User.objects.create_user(email="bench@example.com", password=None)
    tenant = create_tenant(name="Bench", owner=owner)
    with tenant_tx(tenant.id):
        provider = providers.create_provider(name="Upstream", kind="openai", base_url=upstream, api_key="bench")
        for slug, name in ASSISTANTS.items():
            model = models.create_model(
                provider_id=provider.id,
                name=name,
                context_tokens=8_000,
                max_output_tokens=2_000,
                input_price=Decimal(1),
                output_price=Decimal(10),
            )
            assistant = create_assistant(name=slug, instructions="Answer.", model_id=model.id, max_output_tokens=2_000)
            publish(assistant_id=assistant.id)
        return create_api_key(name="bench", scopes=ALL_PERMISSIONS, created_by=owner).token


# -- what a user would take instead -------------------------------------------------------------------


def _litellm_compared(values: list[float]) -> Figure:
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with _provider({**environment, **_bare_environment()}) as upstream:
        references = [float(_child({**environment, **_bare_environment()}, "litellm", upstream)) for _ in range(3)]
    reference = statistics.median(references)
    figure = Figure.of_runs("stream.tokens_per_core", "tokens/s", values)
    return Figure(
        figure.name,
        figure.value,
        figure.unit,
        reference=reference,
        ratio=figure.value / reference,
        runs=figure.runs,
        spread=figure.spread,
        note="per second of processor time; reference: LiteLLM SDK alone, which only parses",
    )


def _bare_environment() -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "parley.config.settings.test",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
    }


async def _litellm(upstream: str) -> float:
    import litellm

    async def read() -> int:
        count = 0
        stream: Any = await litellm.acompletion(
            model=f"openai/{LONG}",
            api_base=upstream,
            api_key="x",
            messages=[{"role": "user", "content": "How many seats?"}],
            stream=True,
        )
        async for chunk in stream:
            count += bool(chunk.choices and chunk.choices[0].delta.content)
        return count

    await read()
    started = time.process_time()
    counted = sum(await asyncio.gather(*(read() for _ in range(5))))
    return counted / (time.process_time() - started)


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        print(_prepare(sys.argv[2]))
    else:
        print(asyncio.run(_litellm(sys.argv[2])))
