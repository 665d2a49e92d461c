"""A ZIP of documents: every good file becomes a document, every bad one is explained (L-13)."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.knowledge.ingest import limits
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.bundle import Entry, Refused, is_bundle, unpack
from tests.factories.tenants import add_member
from tests.fixtures import TenantWithKey
from tests.knowledge import files
from tests.knowledge.conftest import reload

Make = Callable[..., Any]


def packed(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return target.getvalue()


MIXED = packed(
    ("handbook/leave.md", b"# Leave\n\nThirty days a year."),
    ("handbook/travel.docx", files.docx()),
    ("handbook/broken.docx", b"PK\x03\x04 not really"),
    ("handbook/.hidden.md", b"secret"),
    ("__MACOSX/handbook/._leave.md", b"\x00\x05\x16\x07"),
    ("Thumbs.db", b"\xd0\xcf\x11\xe0"),
    ("old/inner.zip", packed(("a.txt", b"words"))),
    ("empty.txt", b""),
    ("../../etc/passwd.txt", b"words of a password file"),
)


def test_l13_what_is_unpacked_has_harmless_names_and_hidden_files_are_left_out() -> None:
    found = {item.path: item for item in unpack(MIXED)}
    assert list(found) == [
        "handbook/leave.md",
        "handbook/travel.docx",
        "handbook/broken.docx",
        "old/inner.zip",
        "empty.txt",
        "etc/passwd.txt",
    ]
    assert found["handbook/leave.md"] == Entry("handbook/leave.md", b"# Leave\n\nThirty days a year.")
    nested = found["old/inner.zip"]
    assert isinstance(nested, Refused)
    assert "Archives inside archives are not opened" in nested.sentence


def test_documents_kept_in_a_zip_are_no_archives() -> None:
    assert is_bundle(MIXED)
    assert not is_bundle(files.docx())
    assert not is_bundle(b"PK\x03\x04 not really")
    assert not is_bundle(b"words")


def test_l13_links_and_locked_files_are_refused_one_by_one() -> None:
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    content = bytearray(packed((link, b"/etc/passwd"), ("locked.txt", b"words"), ("open.txt", b"words")))
    for start in (content.rindex(b"locked.txt") - 46, content.index(b"locked.txt") - 30):
        # The flag of an encrypted entry, in the local head and in the directory.
        offset = 8 if content[start : start + 4] == b"PK\x01\x02" else 6
        content[start + offset] |= 1
    link_item, locked, plain = unpack(bytes(content))
    assert isinstance(link_item, Refused)
    assert "a link" in link_item.sentence
    assert isinstance(locked, Refused)
    assert "password" in locked.sentence
    assert plain == Entry("open.txt", b"words")


def test_names_in_utf8_without_saying_so_are_read_as_such() -> None:
    content = packed(("Größe.txt", b"words"))
    # The flag that says so, taken away in both places.
    plain = content.replace("Größe.txt".encode(), b"Gr\xc3\xb6\xc3\x9fe.txt")
    without = bytearray(plain)
    for mark, offset in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        without[plain.index(mark) + offset] &= ~0x08
    assert [item.path for item in unpack(bytes(without))] == ["Größe.txt"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (packed(("bomb.txt", b" " * (60 * limits.MEBIBYTE))), "compression bomb"),
        (packed(*((f"{n}.txt", b"a") for n in range(limits.MAX_BUNDLE_FILES + 1))), "501 files"),
        (packed((".hidden", b"a")), "holds no files"),
        (packed(("a.txt", b"words"))[:-30], "damaged"),
    ],
    # The content holds the time it was packed at, which would make each collection another.
    ids=["bomb", "too many files", "nothing inside", "cut off"],
)
def test_l13_archives_beyond_the_caps_are_refused_as_a_whole(content: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        list(unpack(content))


def test_l13_a_file_that_lies_about_its_size_is_damaged() -> None:
    content = bytearray(packed(("a.txt", b"words " * 1000)))
    start = content.index(b"PK\x01\x02")
    content[start + 24 : start + 28] = (5).to_bytes(4, "little")
    (item,) = unpack(bytes(content))
    assert isinstance(item, Refused)
    assert "damaged inside its archive" in item.sentence


@pytest.fixture
def _no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)


_database = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])


@_database
@pytest.mark.usefixtures("_no_jobs")
def test_an_archive_sent_to_the_api_becomes_documents(
    client: Client, tenant_a: TenantWithKey, make_base: Make, index: Make
) -> None:
    base = make_base(tenant_a)
    path = f"/api/v1/knowledge-bases/{base.id}/documents/"

    def send(**fields: Any) -> Any:
        upload = SimpleUploadedFile("all.zip", MIXED, "application/zip")
        return client.post(path, {"file": upload, **fields}, headers=tenant_a.headers)

    answer = send(metadata='{"area": "staff"}')
    assert answer.status_code == 201, answer.json()
    body = answer.json()
    shown = {document["name"]: document for document in body["documents"]}
    assert {name for name, document in shown.items() if document["status"] == "queued"} == {
        "handbook/leave.md",
        "handbook/travel.docx",
        "etc/passwd.txt",
    }
    assert shown["handbook/leave.md"]["metadata"] == {"area": "staff"}
    for name, words in (
        ("handbook/broken.docx", "damaged"),
        ("old/inner.zip", "Archives inside"),
        ("empty.txt", "empty"),
    ):
        assert shown[name]["status"] == "failed"
        assert words in shown[name]["error"]
    assert body["skipped"] == []
    row = type("Row", (), {"id": shown["handbook/leave.md"]["id"]})
    assert index(tenant_a, row).status == "indexed"
    # Sent again, nothing is made twice.
    again = send().json()
    assert {document["id"] for document in again["documents"]} == {
        document["id"] for document in body["documents"] if document["status"] == "failed"
    }
    assert [file["name"] for file in again["skipped"]] == [
        "handbook/leave.md",
        "handbook/travel.docx",
        "etc/passwd.txt",
    ]
    assert "already here" in again["skipped"][0]["reason"]
    assert send(external_id="x").status_code == 400


@_database
@pytest.mark.usefixtures("_no_jobs")
def test_what_was_not_kept_cannot_be_tried_again(client: Client, tenant_a: TenantWithKey, make_base: Make) -> None:
    base = make_base(tenant_a)
    upload = SimpleUploadedFile("all.zip", MIXED)
    answer = client.post(
        f"/api/v1/knowledge-bases/{base.id}/documents/", {"file": upload}, headers=tenant_a.headers
    ).json()
    ids = {document["name"]: document["id"] for document in answer["documents"]}

    def retry(name: str) -> Any:
        return client.post(f"/api/v1/documents/{ids[name]}/retry/", headers=tenant_a.headers)

    refused = retry("old/inner.zip")
    assert refused.status_code == 409
    assert "upload it again" in refused.json()["detail"]
    assert retry("handbook/broken.docx").status_code == 202
    assert reload(tenant_a, ids["old/inner.zip"]).status == "failed"


@_database
@pytest.mark.usefixtures("_no_jobs")
def test_an_archive_dropped_on_the_page_is_unpacked(client: Client, tenant_a: TenantWithKey, make_base: Make) -> None:
    base = make_base(tenant_a)
    client.force_login(add_member(tenant_a.tenant, "editor@acme.example", "editor"))
    page = f"/t/{tenant_a.tenant.slug}/knowledge/{base.id}/"
    upload = SimpleUploadedFile("all.zip", MIXED)
    shown = client.post(f"{page}documents/", {"file": [upload]}, follow=True).content.decode()
    assert "3 files were added." in shown
    assert "3 files of the archive cannot be read; the list says why." in shown
    assert "handbook/leave.md" in shown
    assert "Archives inside archives are not opened" in shown
