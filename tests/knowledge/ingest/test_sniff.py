"""A file is what its content is, never what its name says (L-13)."""

import io
import zipfile

import pytest

from apps.knowledge.ingest import limits
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.sniff import sniff
from tests.knowledge import files


def _archive(entry: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(entry, "<a/>")
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (files.pdf(1), "a.pdf", "pdf"),
        (files.pdf(1), "", "pdf"),
        (files.docx(), "a.docx", "docx"),
        (files.HTML, "a.html", "html"),
        (files.HTML, "", "html"),
        (files.MARKDOWN, "a.md", "markdown"),
        (b"# Title\n\ntext", "", "markdown"),
        (b"plain words", "a.txt", "text"),
        (b"plain words", "", "text"),
        (b"{\\rtf1 Words}", "a.rtf", "rtf"),
        (_archive("ppt/presentation.xml"), "a.pptx", "pptx"),
        (_archive("META-INF/container.xml"), "a.epub", "epub"),
        (_archive("xl/workbook.xml"), "a.xlsx", "xlsx"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "a.png", "image"),
        (b"{}", "a.json", "json"),
        (b"From: a@example.org\nSubject: b\n\nc", "a.eml", "eml"),
        ("Größe und Maß".encode("utf-16"), "a.txt", "text"),
    ],
)
def test_content_decides(content: bytes, name: str, expected: str) -> None:
    assert sniff(content, name) == expected


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "a.pdf", "empty"),
        (files.pdf(1), "a.docx", "named like a Word document"),
        (b"plain words", "a.pdf", "named like a PDF"),
        (b"MZ\x90\x00" + b"\x00" * 200, "a.txt", "binary"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "a.txt", "its content is a picture"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt " + b"\x00" * 50, "a.wav", "a sound recording"),
        (b"a;b\n1;2", "a.ics", "cannot be read yet"),
        (b"{\\rtf1 Words}", "a.docx", "its content is rich text"),
        (_archive("ppt/presentation.xml"), "a.docx", "its content is a presentation"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "a.docx", "password"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "a.txt", "SVG"),
        (b"PK\x03\x04 not really", "a.docx", "damaged"),
    ],
)
def test_the_rest_is_refused_with_a_sentence(content: bytes, name: str, words: str) -> None:
    """L-13: the magic bytes, the extension and the allow-list must agree."""
    with pytest.raises(Unreadable) as caught:
        sniff(content, name)
    assert words in caught.value.sentence
    assert caught.value.sentence.endswith(".")


def test_a_file_over_the_cap_is_refused() -> None:
    with pytest.raises(Unreadable, match="the most is 25 MB"):
        sniff(b"a" * (limits.MAX_FILE_BYTES + 1), "a.txt")


def test_other_office_files_are_named() -> None:
    with pytest.raises(Unreadable, match=r"\.xlsb"):
        sniff(_archive("xl/workbook.bin"), "a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[{"a": 1}, {"a": 2}]', "json"),
        ('{"a": 1}\n{"a": 2}\n', "json"),
        ('{"a": ' + "[1, 2, 3], " * 3, "text"),
        ("From: a@example.org\nTo: b@example.org\n\nHello", "eml"),
        ("From: here to there\nis a long way", "text"),
        ("name;city;tel\nAnn;Oslo;1\nBo;Bergen;2\n", "delimited"),
        ("Well, yes.\nNo, never.\nSo, what now?", "text"),
    ],
)
def test_text_without_a_telling_name_is_known_by_its_content(text: str, expected: str) -> None:
    assert sniff(text.encode(), "upload") == expected
