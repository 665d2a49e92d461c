"""A page of a document as a picture, for people who compare a chunk with where it came from."""

from __future__ import annotations

import base64
import io
from itertools import islice
from typing import Any

import pypdfium2 as pdfium
from PIL.Image import Image

from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.formats.image import frames

WIDTH = 1_100
# A page may be long and narrow, but no poster: a picture this high is as wide as it then can be.
MAX_HEIGHT = 3_000
_QUALITY = 82


def page_picture(content: bytes, number: int) -> dict[str, Any]:
    """`{"jpeg": base64}` of a page of a PDF or of a scan, counted from 1. Raises `Unreadable`."""
    picture = _pdf_page(content, number) if content[:1024].lstrip().startswith(b"%PDF") else _frame(content, number)
    picture.thumbnail((WIDTH, MAX_HEIGHT))
    target = io.BytesIO()
    picture.convert("RGB").save(target, "JPEG", quality=_QUALITY)
    return {"jpeg": base64.b64encode(target.getvalue()).decode("ascii")}


def _pdf_page(content: bytes, number: int) -> Image:
    try:
        with pdfium.PdfDocument(content) as pdf:
            page = pdf[number - 1]
            width, height = page.get_size()
            scale = min(WIDTH / max(1.0, width), MAX_HEIGHT / max(1.0, height))
            picture: Image = page.render(scale=scale).to_pil()
            return picture
    except (pdfium.PdfiumError, IndexError, ValueError) as error:
        raise _missing(number) from error


def _frame(content: bytes, number: int) -> Image:
    frame = next(islice(frames(content), number - 1, None), None)
    if frame is None:
        raise _missing(number)
    return frame


def _missing(number: int) -> Unreadable:
    return Unreadable(f"Page {number} of this file cannot be shown.")
