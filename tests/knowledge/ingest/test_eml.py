"""E-mails with what surrounds them and what is attached (L-13)."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.extract import extract
from tests.knowledge import files


def _message(text: str = "Please book the train.\n\nRegards, Ann") -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Reise nach Köln"
    message["From"] = "Ann Löwe <ann@example.org>"
    message["To"] = "Bo <bo@example.org>"
    message["Date"] = "Fri, 01 Mar 2024 14:30:00 +0100"
    message.set_content(text)
    return message


def test_the_subject_is_the_title_and_the_head_says_who_and_when() -> None:
    document = extract(_message().as_bytes(), "a.eml")
    assert document.title == "Reise nach Köln"
    assert [(block.kind, block.text) for block in document.blocks] == [
        ("heading", "Reise nach Köln"),
        ("paragraph", "From: Ann Löwe <ann@example.org>\nTo: Bo <bo@example.org>\nDate: 2024-03-01 14:30 +0100"),
        ("paragraph", "Please book the train."),
        ("paragraph", "Regards, Ann"),
    ]


def test_the_html_part_is_read_where_the_text_part_says_nothing() -> None:
    message = _message("HTML only")
    message.add_alternative(
        "<table><tr><th>Day</th><th>Hour</th></tr><tr><td>Monday</td><td>9</td></tr></table>"
        + "<p>more words</p>" * 50,
        subtype="html",
    )
    kinds = [block.kind for block in extract(message.as_bytes(), "a.eml").blocks]
    assert "table" in kinds


def test_attachments_are_read_under_their_names_and_bad_ones_explained() -> None:
    message = _message()
    message.add_attachment(files.docx(), maintype="application", subtype="octet-stream", filename="policy.docx")
    message.add_attachment(
        b"MZ\x90\x00" + bytes(300), maintype="application", subtype="octet-stream", filename="run.exe"
    )
    inner = _message("Inner words")
    inner.add_attachment(b"never read", maintype="text", subtype="plain", filename="deep.txt")
    message.add_attachment(inner)
    document = extract(message.as_bytes(), "a.eml")
    text = "\n".join(block.text for block in document.blocks)
    assert "Attachments: policy.docx, run.exe, Reise nach Köln.eml" in text
    hotel = next(block for block in document.blocks if "Oslo" in block.text)
    assert hotel.headings == ("Reise nach Köln", "policy.docx", "Travel policy", "Limits")
    assert "This attachment was not read." in text
    assert "Inner words" in text
    # One level deep: what is attached to an attached message is named, not read.
    assert "Attachments: deep.txt" in text
    assert "never read" not in text
    assert extract(message.as_bytes(), "a.eml") == document


def test_an_unknown_charset_is_no_reason_to_fail() -> None:
    content = b"From: a@example.org\nSubject: b\nContent-Type: text/plain; charset=x-unheard\n\nStill words\n"
    assert extract(content, "a.eml").blocks[-1].text == "Still words"


def test_l13_endless_parts_are_refused() -> None:
    part = b"--x\nContent-Type: text/plain\n\nwords\n"
    head = b"From: a@example.org\nSubject: b\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n"
    with pytest.raises(Unreadable, match="more than 200 parts"):
        extract(head + part * 1000, "a.eml")
    with pytest.raises(Unreadable, match="more than 200 parts"):
        extract(head + part.replace(b"Content-Type: text/plain\n", b"") * 1000, "a.eml")


def test_l13_parts_within_parts_end_in_what_can_be_read() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(180))
    content = b"From: a@example.org\nSubject: deep\nMIME-Version: 1.0\n" + nested + b"\nwords"
    assert extract(content, "a.eml").title == "deep"
    with pytest.raises(Unreadable, match="more than 200 parts"):
        extract(content + nested, "a.eml")
