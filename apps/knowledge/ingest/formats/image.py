"""Pictures, by text recognition: each frame of a scan is a page."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

from PIL import BmpImagePlugin as _BmpImagePlugin
from PIL import GifImagePlugin as _GifImagePlugin
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError
from PIL import JpegImagePlugin as _JpegImagePlugin
from PIL import PngImagePlugin as _PngImagePlugin
from PIL import TiffImagePlugin as _TiffImagePlugin
from PIL import WebPImagePlugin as _WebPImagePlugin

from apps.knowledge.ingest import limits, ocr
from apps.knowledge.ingest.blocks import BlockBuilder, ExtractedDocument, Unreadable

# Only these decoders are ever tried on a stranger's bytes; importing them registers them.
DECODERS = tuple(
    plugin.format
    for plugin in (
        _PngImagePlugin.PngImageFile,
        _JpegImagePlugin.JpegImageFile,
        _TiffImagePlugin.TiffImageFile,
        _WebPImagePlugin.WebPImageFile,
        _GifImagePlugin.GifImageFile,
        _BmpImagePlugin.BmpImageFile,
    )
)
_DAMAGED = "The picture is damaged and cannot be opened. Save it again and upload the result."
_TOO_LARGE = (
    f"The picture has more than {limits.MAX_IMAGE_PIXELS // 1_000_000} million pixels and was not opened. "
    "Save it smaller and upload the result."
)
# A line of type this low is not recognised; small pictures are enlarged to about this width.
_READABLE_WIDTH = 1_200


def read_image(content: bytes) -> ExtractedDocument:
    """The document of a picture. Raises `Unreadable` for damaged and absurdly large ones, and where text
    recognition is not installed.
    """
    if not ocr.is_available():
        raise Unreadable(f"This picture holds no text of its own; {ocr.INSTALL}.")
    builder = BlockBuilder()
    count = 0
    for count, frame in enumerate(frames(content), start=1):
        for paragraph in ocr.recognise(frame):
            builder.add("paragraph", paragraph, count)
    if not builder.blocks:
        raise Unreadable("No words were recognised in this picture. Upload a sharper one, or its text.")
    return builder.finish(page_count=count)


def frames(content: bytes) -> Iterator[Image.Image]:
    """The pictures in a file, grey, upright, on white. Raises `Unreadable`; the caps hold before any pixel is
    unpacked.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=DECODERS) as image:
                for number, frame in enumerate(ImageSequence.Iterator(image)):
                    if number >= limits.MAX_IMAGE_FRAMES:
                        return
                    if frame.width * frame.height > limits.MAX_IMAGE_PIXELS:
                        raise Unreadable(_TOO_LARGE)
                    yield _prepared(frame)
    except Image.DecompressionBombError as error:
        raise Unreadable(_TOO_LARGE) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, KeyError, TypeError) as error:
        raise Unreadable(_DAMAGED) from error


def _prepared(frame: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(frame)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        layer = upright.convert("RGBA")
        upright = Image.new("RGBA", layer.size, "white")
        upright.alpha_composite(layer)
    grey = upright.convert("L")
    factor = min(3, _READABLE_WIDTH // max(1, grey.width))
    return grey.resize((grey.width * factor, grey.height * factor)) if factor > 1 else grey
