"""A provider for tests and benchmarks: real HTTP on a free port, answers by script, nothing leaves the machine."""

import asyncio
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import uvloop

from parley.llm.fake.calls import Call, Record
from parley.llm.fake.protocol import FakeProtocol
from parley.llm.fake.scripts import Script, script_for
from parley.llm.requests import EmbedTarget, ModelTarget

ScriptChooser = Callable[[dict[str, Any]], Script]


class FakeProvider:
    """An OpenAI-dialect server in a thread of its own.

    `with FakeProvider() as fake:` starts it; `fake.base_url` is what a `ModelTarget` needs.
    `fake.script("m", Script(…))` plans the answers of model `m` (a list plans them one after another, the last one
    repeats; a function of the request's body chooses); `fake.calls`, `fake.open_sockets` and `fake.closed_sockets`
    tell what happened.
    """

    def __init__(self, *, port: int = 0) -> None:
        self.record = Record()
        self._port = port
        self._scripts: dict[str, list[Script] | ScriptChooser] = {}
        self._live: set[FakeProtocol] = set()
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None
        self._thread: threading.Thread | None = None
        self._failure: OSError | None = None
        self._on_ready: Callable[[], None] = lambda: None

    # -- scripts -------------------------------------------------------------------------------------
    def script(self, model: str, script: Script | list[Script] | ScriptChooser) -> None:
        """Plan what calls of `model` get."""
        self._scripts[model] = [script] if isinstance(script, Script) else script

    def learn(self, model: str, script: Script) -> None:
        """The same, as asked for over HTTP (`POST /fake/scripts`)."""
        self.script(model, script)

    def find(self, name: str, body: dict[str, Any]) -> Script | None:
        """The script of a call: a registered one, one read from the model's name, or none."""
        planned = self._scripts.get(name)
        if planned is None:
            return script_for(name)
        if callable(planned):
            return planned(body)
        return planned.pop(0) if len(planned) > 1 else planned[0]

    # -- what happened -------------------------------------------------------------------------------
    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        return self._port

    @property
    def base_url(self) -> str:
        """The address to give to clients, with `/v1`."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def calls(self) -> list[Call]:
        """Every chat and embedding call so far, oldest first."""
        return self.record.calls

    @property
    def open_sockets(self) -> int:
        """Sockets that clients hold right now."""
        return self.record.open_sockets

    @property
    def closed_sockets(self) -> int:
        """Sockets that are gone."""
        return self.record.closed_sockets

    def target(self, model: str = "fake", *, api_key: str | None = "fake-key") -> ModelTarget:
        """A chat target that points here."""
        return ModelTarget(backend="openai", model=model, base_url=self.base_url, api_key=api_key)

    def embed_target(self, model: str = "fake") -> EmbedTarget:
        """An embedding target that points here."""
        return EmbedTarget(backend="openai", model=model, base_url=self.base_url, api_key="fake-key")

    def wait_until(self, condition: Callable[[], bool], *, seconds: float = 2.0) -> bool:
        """Poll `condition` every millisecond; True as soon as it holds, False when the time is over."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        return True

    # -- life ----------------------------------------------------------------------------------------
    def start(self) -> Self:
        """Listen; returns when the port is open. Raises OSError when it is taken."""
        self._thread = threading.Thread(target=self._run, name="fake-provider", daemon=True)
        self._thread.start()
        self._ready.wait(10)
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        """Stop listening, cut what is open, end the thread. From now on connections are refused."""
        if self._loop is None or self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._thread = self._loop = None

    def cut_connections(self) -> None:
        """Reset every open connection, as a crash of the provider would."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._abort_all)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run_forever(self, *, on_ready: Callable[[], None]) -> None:
        """Serve in this thread until interrupted; `on_ready` runs once the port is open."""
        self._on_ready = on_ready
        self._run()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        loop = uvloop.new_event_loop()
        self._loop = loop
        try:
            loop.run_until_complete(self._listen(loop))
            self._ready.set()
            self._on_ready()
            loop.run_forever()
        except OSError as error:
            self._failure = error
        finally:
            self._abort_all()
            if self._server is not None:
                self._server.close()
            loop.run_until_complete(asyncio.sleep(0))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            self._ready.set()

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        self._server = await loop.create_server(
            lambda: FakeProtocol(self, self._live), "127.0.0.1", self._port, backlog=4096, reuse_address=True
        )
        self._port = self._server.sockets[0].getsockname()[1]

    def _abort_all(self) -> None:
        for connection in list(self._live):
            connection.abort()
