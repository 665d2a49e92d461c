"""Reads an answer's body under two caps: bytes on the wire and bytes once unpacked (L-11). Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from parley.egress.errors import EgressFailed


def read_body(chunks: Iterable[bytes], *, encoding: str, max_bytes: int) -> bytes:
    """The unpacked body. Raises `EgressFailed` when it is larger than `max_bytes`, broken or packed unusually.

    Never holds more than one byte beyond the cap, so a small file that unpacks to gigabytes costs nothing.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        unpacker = None
    elif name in ("gzip", "x-gzip", "deflate"):
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    else:
        raise EgressFailed("The answer is packed in a way Parley does not read.", reason="encoding")
    body = bytearray()
    wire = 0
    for chunk in chunks:
        wire += len(chunk)
        if wire > max_bytes:
            raise too_large(max_bytes)
        if unpacker is None:
            body += chunk
            continue
        try:
            body += unpacker.decompress(chunk, max_bytes - len(body) + 1)
        except zlib.error:
            raise EgressFailed("The answer is packed in a broken way.", reason="encoding") from None
        if len(body) > max_bytes:
            raise too_large(max_bytes)
    if unpacker is not None and wire and not unpacker.eof:
        raise EgressFailed("The answer was cut off before its end.", reason="encoding")
    return bytes(body)


def too_large(max_bytes: int) -> EgressFailed:
    """The problem of an answer beyond the cap."""
    return EgressFailed(
        f"The answer is larger than {max_bytes:,} bytes, the most Parley reads here.", reason="too_large"
    )
