"""E-mails: subject, who wrote to whom and when, the text, and what is attached, each attachment under its name."""

from __future__ import annotations

import email
import re
from collections.abc import Callable, Iterator
from email.errors import MessageError
from email.message import EmailMessage, MIMEPart
from email.policy import default

from apps.knowledge.ingest import limits
from apps.knowledge.ingest.blocks import BlockBuilder, ExtractedDocument, Unreadable
from apps.knowledge.ingest.formats.html import read_html
from apps.knowledge.ingest.formats.text import read_text

MAX_PARTS = 200
_HEAD = ("From", "To", "Cc", "Date")
_KNOWN_FIELD = re.compile(
    r"^(?:From|To|Cc|Subject|Date|Received|Return-Path|Message-ID|MIME-Version|Delivered-To|Content-Type|Reply-To|"
    r"X-[\w-]+|DKIM-Signature|ARC-[\w-]+|Sender|References|In-Reply-To|Content-Transfer-Encoding):",
    re.IGNORECASE,
)
_FIELD = re.compile(r"^[!-9;-~]+:")
_DAMAGED = "The e-mail is damaged. Save it again with its mail program and upload the result."
_TOO_MANY = f"This e-mail has more than {MAX_PARTS} parts. Save what matters in it as files of its own."

Reader = Callable[[bytes, str], ExtractedDocument]


def is_email(text: str) -> bool:
    """Whether text begins like an e-mail: with header fields, at least two of which mail programs write."""
    known = 0
    for line in text.lstrip("\n").split("\n", 200)[:200]:
        if not line.strip():
            break
        if line[0] in " \t":
            continue
        if not _FIELD.match(line):
            return False
        known += bool(_KNOWN_FIELD.match(line))
    return known >= 2


def read_eml(content: bytes, read_attachment: Reader | None = None) -> ExtractedDocument:
    """The document of an e-mail. `read_attachment` reads one attached file by content and name; without it they
    are only named. Raises `Unreadable` for damaged ones and those of endless parts.
    """
    try:
        return _read(content, read_attachment)
    except (MessageError, ValueError, LookupError, TypeError, AttributeError, IndexError) as error:
        # The standard library's header parser raises all of these for headers that are nonsense.
        raise Unreadable(_DAMAGED) from error


def _read(content: bytes, read_attachment: Reader | None) -> ExtractedDocument:
    # Counted before parsing: the parser itself would follow every part.
    if content.count(b"\nContent-Type:") + content.count(b"\ncontent-type:") > MAX_PARTS:
        raise Unreadable(_TOO_MANY)
    message = email.message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    subject = _header(message, "Subject")
    builder = BlockBuilder()
    builder.heading(subject or "E-mail", 1)
    attached = list(_attachments(message))
    head = [f"{name}: {value}" for name in _HEAD if (value := _header(message, name))]
    if attached:
        head.append("Attachments: " + ", ".join(name for name, _ in attached))
    builder.add("paragraph", "\n".join(head))
    _append(builder, _body(message), 1)
    for name, part in attached:
        _add_attachment(builder, name, part, read_attachment)
    return builder.finish(subject)


def _header(message: EmailMessage, name: str) -> str:
    value = message.get(name)
    if value is None:
        return ""
    moment = getattr(value, "datetime", None)
    return moment.strftime("%Y-%m-%d %H:%M %z").strip() if moment is not None else " ".join(str(value).split())


def _body(message: EmailMessage) -> ExtractedDocument:
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return ExtractedDocument("", ())
    html = message.get_body(preferencelist=("html",))
    text = _bytes(part)
    # Some programs send a plain part that says no more than "see the HTML part".
    if html is not None and html is not part and len(text.strip()) < 0.02 * len(_bytes(html)):
        part, text = html, _bytes(html)
    return read_html(text) if part.get_content_subtype() == "html" else read_text(text)


def _bytes(part: MIMEPart) -> bytes:
    """The text of a part as UTF-8."""
    try:
        found = part.get_content(errors="replace")
    except LookupError:
        # An encoding nobody knows.
        raw = part.get_payload(decode=True)
        return raw if isinstance(raw, bytes) else b""
    return found.encode("utf-8", "replace") if isinstance(found, str) else bytes(found)


def _attachments(message: EmailMessage) -> Iterator[tuple[str, EmailMessage]]:
    """Attached files and messages by name; pictures that stand inside the text are no attachments."""
    for part in _parts(message):
        name = part.get_filename() or ""
        if part.get_content_type() == "message/rfc822":
            inner = part.get_payload(0)
            subject = _header(inner, "Subject") if isinstance(inner, EmailMessage) else ""
            yield name or f"{subject or 'message'}.eml", part
        elif name or part.get_content_disposition() == "attachment":
            is_inline_picture = part.get_content_maintype() == "image" and part.get("Content-ID") is not None
            if not part.is_multipart() and not is_inline_picture:
                yield " ".join(name.split()) or "attachment", part


def _parts(message: EmailMessage) -> Iterator[EmailMessage]:
    """Every part below a message in order, without those of messages attached to it."""
    waiting = [message]
    for _ in range(MAX_PARTS):
        if not waiting:
            return
        part = waiting.pop()
        if part is not message:
            yield part
        if part.is_multipart() and part.get_content_type() != "message/rfc822":
            inner = part.get_payload()
            waiting += [child for child in reversed(list(inner)) if isinstance(child, EmailMessage)]
    raise Unreadable(_TOO_MANY)


def _add_attachment(builder: BlockBuilder, name: str, part: EmailMessage, read_attachment: Reader | None) -> None:
    if read_attachment is None:
        return
    content = _content(part)
    builder.heading(name, 2)
    try:
        if len(content) > limits.MAX_FILE_BYTES:
            raise Unreadable("It is too large.")
        _append(builder, read_attachment(content, name), 2)
    except Unreadable as problem:
        builder.add("paragraph", f"This attachment was not read. {problem.sentence}")


def _content(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload(0)
        return inner.as_bytes() if isinstance(inner, EmailMessage) else b""
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _append(builder: BlockBuilder, document: ExtractedDocument, below: int) -> None:
    for block in document.blocks:
        if block.kind == "heading":
            builder.heading(block.text, below + block.level)
        else:
            builder.add(block.kind, block.text)
