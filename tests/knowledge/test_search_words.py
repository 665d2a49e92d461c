"""Words find what was meant: in the base's language, as codes and names, and with a slip of the pen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from apps.knowledge.ingest.chunk import ChunkDraft
from apps.knowledge.models import Chunk, ChunkTerms, Document, DocumentVersion, SearchIndex, WordPostings, WordSegment
from apps.knowledge.retrieval import words
from apps.knowledge.retrieval.languages import detect_language
from apps.knowledge.retrieval.reading import Reader
from apps.knowledge.retrieval.region import Region
from apps.knowledge.retrieval.tokenizing import tokenize
from apps.knowledge.retrieval.typos import corrections, edit_distance
from apps.knowledge.retrieval.words import find_by_words
from apps.knowledge.services import word_rows
from apps.knowledge.services.index_rows import IndexTarget, write_chunks
from apps.knowledge.services.knowledge_bases import update_knowledge_base
from apps.knowledge.services.word_rows import tidy_words
from parley.errors import Invalid
from parley.tenancy import tenant_tx, use_tenant
from tests.fixtures import TenantWithKey

Make = Callable[..., Any]


class Shelf:
    """A base of one index whose passages are written directly, a document each."""

    def __init__(self, owner: TenantWithKey, base: Any) -> None:
        self.owner = owner
        with tenant_tx(owner.tenant.id):
            self.index = SearchIndex.objects.get(knowledge_base=base)
        self.base = base
        self.texts: dict[UUID, str] = {}

    def put(self, *texts: str, headings: Sequence[str] = ()) -> list[UUID]:
        with tenant_tx(self.owner.tenant.id):
            facts = {"name": f"{len(self.texts)}.txt", "media_type": "text/plain", "size_bytes": 1}
            facts["content_hash"] = f"{len(self.texts):064d}"
            document = Document.objects.create(knowledge_base=self.base, status="indexed", progress=1.0, **facts)
            version = DocumentVersion.objects.create(document=document, number=1, **facts)
            target = IndexTarget(
                search_index_id=self.index.id,
                knowledge_base_id=self.base.id,
                document_id=document.id,
                document_version_id=version.id,
                title="",
                edition=1,
                revision=0,
            )
            drafts = [ChunkDraft(n, 0, text, tuple(headings), "part", 2) for n, text in enumerate(texts)]
            ids = write_chunks(target, drafts)
        self.texts |= dict(zip(ids, texts, strict=True))
        return ids

    def find(self, query: str, limit: int = 10) -> list[str]:
        with tenant_tx(self.owner.tenant.id):
            hits = find_by_words(region=self.region(), query=query, limit=limit)
        return [self.texts[hit.chunk_id] for hit in hits]

    def region(self, revision: int | None = None) -> Region:
        if revision is None:
            return Region((self.index.id,), total=len(self.texts))
        return Region((), total=len(self.texts), pinned=((self.index.id, revision),))

    def count(self, model: Any) -> int:
        with tenant_tx(self.owner.tenant.id):
            found: int = model.objects.count()
        return found


@pytest.fixture
def shelf(tenant_a: TenantWithKey, make_base: Make) -> Shelf:
    return Shelf(tenant_a, make_base(tenant_a))


ENGLISH = "You can return the goods to the shop within fourteen days, and we will refund what was paid for them."
GERMAN = "Die Kündigung des Vertrags ist mit einer Frist von drei Monaten zum Ende des Jahres schriftlich möglich."
FRENCH = "Les factures sont envoyées à la fin du mois par la comptabilité, et elles doivent être réglées en euros."
RUSSIAN = "Договор можно расторгнуть в течение тридцати дней после его подписания без объяснения причин."
JAPANESE = "見積書は営業部が作成し、三日以内にお客様へ送付します。"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("returning a good", ENGLISH),
        ("refunds", ENGLISH),
        ("Kündigungen von Verträgen", GERMAN),
        ("kundigung", GERMAN),
        ("facture envoyee", FRENCH),
        ("договора", RUSSIAN),
        ("見積書", JAPANESE),
        ("三日", JAPANESE),
    ],
)
def test_each_document_is_read_in_its_own_language(shelf: Shelf, query: str, text: str) -> None:
    for content in (ENGLISH, GERMAN, FRENCH, RUSSIAN, JAPANESE):
        shelf.put(content)
    assert shelf.find(query)[0] == text


@pytest.mark.parametrize(
    ("text", "language"),
    [(ENGLISH, "english"), (GERMAN, "german"), (FRENCH, "french"), (RUSSIAN, "russian"), (JAPANESE, "simple")],
)
def test_languages_are_recognised(db: None, text: str, language: str) -> None:
    assert detect_language([token.text for token in tokenize(text)]) == language


def test_tables_and_codes_are_of_no_language(db: None) -> None:
    assert detect_language([token.text for token in tokenize("AX-100 12.50 BX-200 13.75 CX-300 8.20")]) == "simple"


def test_a_base_may_fix_its_language(tenant_a: TenantWithKey, make_base: Make) -> None:
    base = make_base(tenant_a)
    with tenant_tx(tenant_a.tenant.id):
        update_knowledge_base(knowledge_base_id=base.id, language="german")
        with pytest.raises(Invalid, match="was not saved"):
            update_knowledge_base(knowledge_base_id=base.id, language="klingon")
    shelf = Shelf(tenant_a, base)
    shelf.put("Häuser")
    assert shelf.find("Haus") == ["Häuser"]


@pytest.mark.parametrize(
    "query",
    [
        "ERR-4012",
        "err-4012",
        "ERR4012",
        "4012",
        "getUserName",
        "get_user_name",
        "user name",
        "max@example.com",
        "nginx",
    ],
)
def test_codes_and_names_are_found_whole_and_in_parts(shelf: Shelf, query: str) -> None:
    code = "Code ERR-4012 is raised by getUserName in /etc/nginx/nginx.conf; write to max@example.com."
    shelf.put("The shop is open from nine to six.", "Visitors leave their car behind the house.", code)
    assert shelf.find(query) == [code]


def test_a_whole_code_counts_more_than_its_parts(shelf: Shelf) -> None:
    wanted = "ERR-4012 means declined."
    shelf.put("ERR ERR 4012 4012 of another kind", wanted, "ERR-4013 means expired.")
    assert shelf.find("What is ERR-4012?")[0] == wanted


@pytest.mark.parametrize("query", ["refnud", "refudn", "rfund", "refuund", "fourteeen", "forteen"])
def test_a_slip_of_the_pen_is_forgiven(shelf: Shelf, query: str) -> None:
    shelf.put(ENGLISH, "Parking is behind the house.")
    assert shelf.find(query) == [ENGLISH]


def test_a_known_word_is_not_corrected(shelf: Shelf) -> None:
    shelf.put("The form is blue.", "The farm is green.")
    assert shelf.find("form") == ["The form is blue."]
    assert shelf.find("xylophone") == []


def test_rare_words_and_short_passages_count_more(shelf: Shelf) -> None:
    """BM25: rarity first, then how much of the passage the words are, then how often they stand there."""
    long = "The key opens the door of the house, the garden with its old trees, and the gate behind the shed."
    shelf.put(long, "The key opens.", "Rotate the key.", "The key of the door, the key of the gate: two keys.")
    assert shelf.find("rotate key")[0] == "Rotate the key."
    assert shelf.find("key opens")[0] == "The key opens."


def test_headings_count_more_than_text(shelf: Shelf) -> None:
    shelf.put("All about it.", headings=["Parking"])
    shelf.put("Parking in a row")
    assert shelf.find("parking")[0] == "All about it."


def test_words_leave_with_their_chunks_and_are_erased_by_tidying(shelf: Shelf) -> None:
    """L-20, D-05: gone from the next search on; nothing of them is stored after the next tidying."""
    kept, gone = shelf.put("The zebra eats grass.", "The lion eats zebras.")
    with tenant_tx(shelf.owner.tenant.id):
        ChunkTerms.objects.filter(chunk_id=gone).delete()
    assert shelf.find("zebra") == [shelf.texts[kept]]
    with use_tenant(shelf.owner.tenant.id):
        assert tidy_words(search_index_id=shelf.index.id, erase=True) == 1
        assert tidy_words(search_index_id=shelf.index.id, erase=True) == 0
    with tenant_tx(shelf.owner.tenant.id):
        assert not WordPostings.objects.filter(word="lion").exists()
        assert WordPostings.objects.get(word="zebra").chunk_count == 1
    assert shelf.find("zebra") == [shelf.texts[kept]]


def test_segments_are_merged_and_nothing_changes(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_rows, "FAN_OUT", 4)
    for number in range(21):
        shelf.put(f"Passage {number} about parking and number n{number}.", ENGLISH if number % 2 else GERMAN)
    questions = ["parking", "n7", "refund", "Kündigungen", "prking"]
    before = [shelf.find(question, limit=50) for question in questions]
    assert shelf.count(WordSegment) == 21
    with use_tenant(shelf.owner.tenant.id):
        assert tidy_words(search_index_id=shelf.index.id) > 0
    assert shelf.count(WordSegment) <= 6
    assert [shelf.find(question, limit=50) for question in questions] == before
    assert len(before[0]) == 21


def test_a_document_may_lie_across_two_blocks(shelf: Shelf) -> None:
    with tenant_tx(shelf.owner.tenant.id):
        SearchIndex.objects.filter(id=shelf.index.id).update(next_number=65_535)
    shelf.put("alpha one", "alpha two", "alpha three")
    assert sorted(shelf.find("alpha")) == ["alpha one", "alpha three", "alpha two"]
    assert shelf.count(WordSegment) == 2


def test_passages_that_are_gone_do_not_hide_those_behind_them(shelf: Shelf) -> None:
    shelf.put(*(f"alpha alpha alpha {number}" for number in range(40)))
    (last,) = shelf.put("alpha and much else besides")
    with tenant_tx(shelf.owner.tenant.id):
        ChunkTerms.objects.exclude(chunk_id=last).delete()
    assert shelf.find("alpha", limit=3) == [shelf.texts[last]]


def test_a_revision_is_searched_as_it_was(shelf: Shelf) -> None:
    old, new = shelf.put("alpha old", "alpha new")
    with tenant_tx(shelf.owner.tenant.id):
        ChunkTerms.objects.filter(chunk_id=old).update(valid_from=1, valid_to=5)
        ChunkTerms.objects.filter(chunk_id=new).update(valid_from=5)

        def found(revision: int | None) -> list[UUID]:
            hits = find_by_words(region=shelf.region(revision), query="alpha", limit=9)
            return [hit.chunk_id for hit in hits]

        assert [found(0), found(4), found(5), found(None)] == [[], [old], [new], [new]]


def test_no_question_needs_a_scan(shelf: Shelf) -> None:
    """T-14: below row-level security, too, an index serves words and look-alikes by equality."""
    shelf.put("alpha")
    with tenant_tx(shelf.owner.tenant.id), connection.cursor() as cursor:
        # Statistics of an empty table would decide otherwise.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        asked = [shelf.owner.tenant.id, list(WordSegment.objects.values_list("id", flat=True)), [1, 2]]
        for statement, more in ((words._POSTINGS, [["a", "b"]]), (words._LOOKALIKE_WORDS, ["a", 9])):
            cursor.execute("EXPLAIN " + statement, [*asked, *more])
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "using knowledge_wordpostings_word" in plan
            (condition,) = [line for line in plan.splitlines() if "Index Cond" in line]
            assert all(column in condition for column in ("tenant_id", "segment_id", "bucket")), condition


def test_another_tenants_words_are_not_found(shelf: Shelf, tenant_b: TenantWithKey) -> None:
    """T-06: not even by naming its index."""
    shelf.put("alpha")
    with tenant_tx(tenant_b.tenant.id):
        assert find_by_words(region=shelf.region(), query="alpha", limit=5) == []


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("refund", "refund", 0), ("refnud", "refund", 1), ("rfund", "refund", 1), ("abc", "xyz", 3), ("abcdef", "a", 3)],
)
def test_edit_distance(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other, 2) == distance


def test_the_likest_and_most_frequent_correction_wins() -> None:
    assert corrections("invoce", [("invoice", 3), ("invokes", 9), ("voice", 50)]) == ["invoice"]
    assert corrections("farm", [("form", 2), ("harm", 7), ("farms", 1)]) == ["harm", "form", "farms"]


def test_every_chunk_has_a_number_of_its_own(shelf: Shelf) -> None:
    shelf.put("one", "two")
    shelf.put("three")
    with tenant_tx(shelf.owner.tenant.id):
        numbers = list(ChunkTerms.objects.order_by("number").values_list("number", flat=True))
        assert numbers == [0, 1, 2]
        assert Chunk.objects.count() == 3


def test_an_accent_that_stands_alone_spoils_no_document(shelf: Shelf) -> None:
    """Written apart from its letter, as in tables of characters, it vanishes with the accents and is still a word."""
    table = "combining marks: \u0301 \u0308 and \u0327"
    shelf.put(table, "something else")
    assert shelf.find("combining") == [table]
    assert shelf.find("\u0301") == [table]


def test_a_document_in_another_language_makes_no_stop_word_tell_something(shelf: Shelf) -> None:
    """ "What" and "does" are words of the question's language, whichever others the base is written in."""
    shelf.put(ENGLISH)
    shelf.put(FRENCH)
    with tenant_tx(shelf.owner.tenant.id):
        tokens = list(tokenize("What does the refund do for us?"))
        asked = Reader(tokens, ["english", "french"]).query_words(tokens, 16)
    assert [word.text for word in asked] == ["refund", "us"]


PROGRAM = (
    "fn refunds(de: u8, amount: u8) -> u8 { let paid = refund_of(amount, de); log(paid, amount); return paid } " * 4
)


def test_a_program_takes_the_main_language_of_its_base(shelf: Shelf) -> None:
    """Names and remarks of programs are met by their stems, and the few words like French ones say nothing."""
    shelf.put(ENGLISH)
    shelf.put(PROGRAM)
    with tenant_tx(shelf.owner.tenant.id):
        languages = {language for row in WordSegment.objects.all() for language in row.languages}
    assert languages == {"english"}
    assert PROGRAM in shelf.find("refunding")
