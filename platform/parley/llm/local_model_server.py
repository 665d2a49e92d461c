"""The bundled chat model as a process of its own: llama.cpp with SmolLM2-135M-Instruct, in the OpenAI dialect.

`python -m parley.llm.local_model_server --port N [--threads T]` serves `/v1/chat/completions` and `/health` on loopback
until it is told to end. The key-value cache of the last prompt of each slot is kept, so a stable prefix is read once.
"""

import argparse
import os
import signal
import sys
import threading
from typing import Any

from parley.llm.local_model_files import chat_weights
from parley.llm.small_model import compose_small_prompt

MODEL_NAME = "smollm2-135m-instruct"
SLOTS = 2
# Shared by the slots: each reads up to 2,048 tokens. The prompts of `small_model` stay below 1,100.
CONTEXT_TOKENS = 4_096


def default_threads() -> int:
    """Half of the cores, at most four.

    llama.cpp's threads wait for each other after every operation. With as many threads as cores, any other load made
    24 tokens take 15 s instead of 0.3 s; with half of them, 1.2 s instead of 0.4 s.
    """
    return max(1, min(4, (os.cpu_count() or 1) // 2))


def parameters(*, port: int, threads: int) -> Any:
    """llama.cpp's settings for this model on a small machine."""
    import xllamacpp  # 100 MB of native code that only this process needs

    params = xllamacpp.CommonParams()
    params.model.path = str(chat_weights())
    params.model_alias = {MODEL_NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = SLOTS
    params.n_ctx = CONTEXT_TOKENS
    params.n_batch = 512
    params.n_ubatch = 256
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cache_prompt = True
    params.cache_ram_mib = 128
    params.fit_params = False
    params.ui = False
    params.endpoint_slots = False
    params.cors_origins = ""
    params.cpuparams.poll = 0
    params.cpuparams_batch.poll = 0
    params.n_threads_http = 4
    params.verbosity = 0
    return params


def main() -> None:
    """Load the model, serve, and end on SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="Serve the bundled chat model on loopback.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=default_threads())
    options = parser.parse_args()

    import xllamacpp  # as above

    told_to_end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_to_end.set())
    server = xllamacpp.Server(parameters(port=options.port, threads=options.threads))
    warming = [threading.Thread(target=_warm, args=(server,), daemon=True) for _ in range(SLOTS)]
    for thread in warming:
        thread.start()
    for thread in warming:
        thread.join()
    sys.stdout.write("The local model has read its instructions.\n")
    sys.stdout.flush()
    told_to_end.wait()
    del server


def _warm(server: Any) -> None:
    """Let one slot read the prefix that all prompts share, so that the first question need not wait for it."""
    messages = [{"role": message.role, "content": message.content} for message in compose_small_prompt("", ())]
    server.handle_chat_completions({"messages": messages, "max_tokens": 1, "temperature": 0})


if __name__ == "__main__":
    main()
