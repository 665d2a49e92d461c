"""Vectors that lie as the vectors of texts do, in any number.

Texts about Python's library embedded by the product's own model are the subjects; each tenant has some of them, a
document is a subject moved by the difference of two others, a chunk is its document moved once more.
"""

from __future__ import annotations

import importlib
import inspect

import numpy as np
import numpy.typing as npt

DIMENSIONS = 384
CHUNKS_A_DOCUMENT = 30
_SUBJECTS = 300
_DOCUMENTED = (
    *("argparse", "asyncio", "collections", "csv", "datetime", "decimal", "email.message", "http.client", "inspect"),
    *("json", "logging", "os", "pathlib", "random", "re", "sqlite3", "statistics", "string", "subprocess", "tarfile"),
    *("threading", "typing", "unittest", "urllib.parse", "uuid", "zipfile"),
)

Matrix = npt.NDArray[np.float32]
HalfMatrix = npt.NDArray[np.float16]


def embedded_subjects() -> Matrix:
    """Paragraphs of Python's own documentation strings, embedded: real directions of real texts. (300, 384)."""
    from parley.llm.local_embedder import embed_here

    texts: list[str] = []
    for name in _DOCUMENTED:
        module = importlib.import_module(name)
        described = [(key, inspect.getdoc(value) or "") for key, value in sorted(vars(module).items())]
        texts += [f"{name} {key}: {text[:300]}" for key, text in described if len(text) > 100]
    chosen = np.random.default_rng(0).permutation(len(texts))[:_SUBJECTS]
    return np.asarray(embed_here(tuple(texts[n] for n in chosen), is_bulk=True).vectors, dtype=np.float32)


def tenant_vectors(subjects: Matrix, seed: int, rows: int) -> HalfMatrix:
    """The unit vectors of a tenant with so many chunks: (rows, 384)."""
    random = np.random.default_rng([7, seed])
    own = subjects[random.integers(0, len(subjects), max(3, min(40, rows // 200 + 3)))]
    made = np.empty((rows, DIMENSIONS), np.float16)
    for start in range(0, rows, 300 * CHUNKS_A_DOCUMENT):
        count = min(rows - start, 300 * CHUNKS_A_DOCUMENT)
        documents = -(-count // CHUNKS_A_DOCUMENT)
        centres = own[random.integers(0, len(own), documents)] + 0.6 * _moves(random, subjects, documents)
        rest = np.repeat(centres, CHUNKS_A_DOCUMENT, axis=0)[:count] + 0.6 * _moves(random, subjects, count)
        noisy = rest + (0.25 / DIMENSIONS**0.5) * random.standard_normal((count, DIMENSIONS), dtype=np.float32)
        made[start : start + count] = noisy / np.linalg.norm(noisy, axis=1, keepdims=True)
    return made


def question_near(vectors: HalfMatrix, random: np.random.Generator, place: int) -> Matrix:
    """A unit vector near one of a tenant's chunks, moved towards what else it has. (384,)."""
    one, other = random.integers(0, len(vectors), 2)
    moved = vectors[place].astype(np.float32) + 0.5 * (
        vectors[one].astype(np.float32) - vectors[other].astype(np.float32)
    )
    question: Matrix = moved / np.linalg.norm(moved)
    return question


def _moves(random: np.random.Generator, subjects: Matrix, count: int) -> Matrix:
    size = len(subjects)
    moved: Matrix = subjects[random.integers(0, size, count)] - subjects[random.integers(0, size, count)]
    return moved
