"""The bundled embedding model itself: text in, unit vectors out, the same for the same text on every run."""

import os
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from parley.llm.local_model_files import embedder_tokenizer, embedder_weights

DIMENSIONS = 384
# The model was trained on up to 256 word pieces; what lies beyond is cut off.
MAX_TOKENS = 256

Vector = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float32]


class MiniLm:
    """all-MiniLM-L6-v2 on one thread per call; `embed` may be called from several threads at once.

    Texts run one by one: on a CPU a batch is no faster (35 ms per 128 tokens either way), wastes work on padding,
    and makes an 8-bit model's result depend on its neighbours in the batch.
    """

    def __init__(self) -> None:
        import onnxruntime  # 0.2 s and 60 MB that processes without an embedder need not pay
        from tokenizers import Tokenizer  # the same

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = onnxruntime.InferenceSession(
            str(embedder_weights()), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer: Any = Tokenizer.from_file(str(embedder_tokenizer()))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)

    def embed(self, text: str) -> tuple[Vector, int]:
        """The text's unit vector (384 float32) and the number of tokens read."""
        ids = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, feeds)[0][0]
        pooled = hidden.mean(axis=0)
        vector: Vector = (pooled / max(float(np.linalg.norm(pooled)), 1e-12)).astype(np.float32)
        return vector, ids.shape[1]

    def count_tokens(self, text: str) -> int:
        """Word pieces of a text, its two markers included, at most 256."""
        return len(self._tokenizer.encode(text).ids)


_lock = threading.Lock()
_model: MiniLm | None = None


def shared_model() -> MiniLm:
    """This process's model, loaded on first use (a third of a second)."""
    global _model
    with _lock:
        if _model is None:
            _model = MiniLm()
        return _model


def be_polite() -> None:
    """Lower this thread's priority, so that bulk work yields to questions on a small machine."""
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
    except OSError:
        return
