"""Scans and pictures: read where text recognition is installed, explained where it is not (L-13, L-14)."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib

import psutil
import pytest
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from apps.knowledge.ingest import limits, ocr, ocr_process
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.extract import extract
from apps.knowledge.ingest.sandbox import Sandbox


def _picture(words: str, *, width: int = 1200, colour: str = "white") -> Image.Image:
    image = Image.new("RGB", (width, 300), colour)
    ImageDraw.Draw(image).text((60, 100), words, fill="black", font=ImageFont.load_default(size=56))
    return image


def _saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def _scan(*pages: str) -> bytes:
    """A PDF whose pages hold a picture of the words, or the words as text where they begin with `T:`."""
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4, invariant=1)
    for words in pages:
        if words.startswith("T:"):
            canvas.drawString(72, 700, words[2:])
        elif words:
            canvas.drawImage(ImageReader(_picture(words)), 72, 600, 450, 112)
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def test_a_picture_is_read_by_text_recognition(seeing_sandbox: Sandbox) -> None:
    document = seeing_sandbox.extract(_saved(_picture("Closed on Sunday 4711")), "sign.png")
    assert document.blocks[0].text == "Closed on Sunday 4711"
    assert document.page_count == 1


def test_each_frame_of_a_scan_is_a_page(seeing_sandbox: Sandbox) -> None:
    frames = [_picture("First frame"), _picture("Second frame")]
    content = _saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    document = seeing_sandbox.extract(content, "scan.tiff")
    assert [(block.text, block.page) for block in document.blocks] == [("First frame", 1), ("Second frame", 2)]
    assert seeing_sandbox.extract(content, "scan.tiff") == document


def test_scanned_pages_stand_between_the_others(seeing_sandbox: Sandbox) -> None:
    content = _scan("T:Page one as text.", "Page two scanned", "", "T:Page four as text.")
    document = seeing_sandbox.extract(content, "a.pdf")
    assert [(block.text, block.page) for block in document.blocks] == [
        ("Page one as text.", 1),
        ("Page two scanned", 2),
        ("Page four as text.", 4),
    ]
    # An empty page is no page that could not be read.
    assert document.notice == ""


def test_without_text_recognition_the_text_pages_stay_and_the_others_are_named(blind_sandbox: Sandbox) -> None:
    document = blind_sandbox.extract(_scan("T:Text.", "scan", "T:More.", "scan", "scan"), "a.pdf")
    assert [block.page for block in document.blocks] == [1, 3]
    assert document.notice == f"Pages 2, 4\N{EN DASH}5 hold no text; {ocr.INSTALL}."


def test_scans_beyond_what_is_read_of_one_file_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OCR_PAGES", 2)
    monkeypatch.setattr(ocr, "is_available", lambda: True)
    monkeypatch.setattr(ocr, "recognise", lambda image: ["Words"])
    document = extract(_scan("T:Text.", "scan", "scan", "scan", "scan"), "a.pdf")
    assert [block.page for block in document.blocks] == [1, 2, 3]
    assert document.notice == (
        "Text was recognised on the first 2 scanned pages only; pages 4\N{EN DASH}5 were left out. "
        "Split the file and upload the parts."
    )


@pytest.mark.parametrize(("content", "name"), [(_scan("scan"), "a.pdf"), (_saved(_picture("x")), "a.png")])
def test_without_text_recognition_a_sentence_says_what_to_install(
    blind_sandbox: Sandbox, content: bytes, name: str
) -> None:
    with pytest.raises(Unreadable, match="apt-get install tesseract-ocr"):
        blind_sandbox.extract(content, name)


def test_a_picture_without_words_is_explained(seeing_sandbox: Sandbox) -> None:
    with pytest.raises(Unreadable, match="No words were recognised"):
        seeing_sandbox.extract(_saved(Image.new("RGB", (300, 300), "white")), "a.png")


def _png_of(width: int, height: int) -> bytes:
    """A picture that claims to be this large and holds nothing."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(b"")) + part(b"IEND", b"")


def test_l13_absurd_measures_are_refused_before_a_pixel_is_unpacked(seeing_sandbox: Sandbox) -> None:
    for width, height in ((100_000, 100_000), (2_000_000_000, 2), (10_000, 10_000)):
        with pytest.raises(Unreadable, match=r"million pixels|damaged"):
            seeing_sandbox.extract(_png_of(width, height), "a.png")


def test_l13_damaged_pictures_are_a_sentence(seeing_sandbox: Sandbox) -> None:
    for kind in ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP"):
        whole = _saved(_picture("words"), kind)
        with pytest.raises(Unreadable, match=r"damaged|No words"):
            seeing_sandbox.extract(whole[:60], f"a.{kind.lower()}")


def test_l14_the_helper_takes_nothing_but_a_grey_map_of_the_size_it_claims() -> None:
    for content, is_taken in (
        (b"P5 2 2 255\n....", True),
        (b"P5 2 2 255\n.....", False),
        (b"P5 0 2 255\n", False),
        (b"P5 999999 999999 255\n", False),
        (b"P6 2 2 255\n....", False),
        (b"\x89PNG\r\n\x1a\n", False),
    ):
        bitmap = os.memfd_create("test")
        os.write(bitmap, content)
        assert ocr_process._is_grey_map(bitmap) is is_taken
        os.close(bitmap)
    assert limits.OCR_PIXELS < 999_999**2


def test_l14_a_helper_that_died_is_replaced(seeing_sandbox: Sandbox) -> None:
    content = _saved(_picture("Still read"))
    seeing_sandbox.extract(b"warm", "a.txt")
    assert seeing_sandbox._process is not None
    # The eldest; the other is the fork that waits for a file.
    helper = min(psutil.Process(seeing_sandbox._process.pid).children(), key=psutil.Process.create_time)
    helper.kill()
    deadline = time.monotonic() + 10
    while helper.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.01)
    assert seeing_sandbox.extract(content, "a.png").blocks[0].text == "Still read"


def test_a_broken_text_layer_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A font without a character map says private-use signs; the page is then read like a scan."""
    from apps.knowledge.ingest.formats import pdf

    page = pdf._Line("\ue001\ue002\ue003 \ue004", 1, 10.0, False, 500.0, False)
    assert not pdf._is_text([page])
    assert pdf._is_text([pdf._Line("words \ue004", 1, 10.0, False, 500.0, False)])


def test_outside_the_sandbox_nothing_is_started() -> None:
    assert not ocr.is_available()
    with pytest.raises(Unreadable, match="install Tesseract"):
        extract(_saved(_picture("words")), "a.png")
