"""A site is crawled, changed and crawled again: the right pages, the right diff, nothing twice, nothing forbidden."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from apps.knowledge import selectors
from apps.knowledge.crawl.outcome import Counts, diff_sentence
from apps.knowledge.models import SourcePage, SourceRun
from apps.knowledge.services import crawling, page_visit, sources
from apps.knowledge.services.crawling import run_source
from parley.errors import Conflict, Invalid
from parley.jobs.outcomes import Superseded
from parley.tenancy import tenant_tx, use_tenant
from tests.fixtures import TenantWithKey
from tests.knowledge import files
from tests.knowledge.website import Answer, Website, fill, page, words

Make = Callable[..., Any]

pytestmark = pytest.mark.django_db


def counts(run: Any) -> Counts:
    return Counts(
        run.new_count, run.changed_count, run.unchanged_count, run.gone_count, run.failed_count, run.skipped_count
    )


def documents_of(owner: TenantWithKey, base: Any) -> dict[str, Any]:
    with tenant_tx(owner.tenant.id):
        return {document.url: document for document in selectors.list_documents(knowledge_base_id=base.id)}


def reasons(owner: TenantWithKey, source: Any) -> dict[str, str]:
    with tenant_tx(owner.tenant.id):
        return dict(SourcePage.objects.filter(source=source).values_list("address", "reason"))


def find(owner: TenantWithKey, base: Any, query: str) -> list[Any]:
    with use_tenant(owner.tenant.id):
        return selectors.search(knowledge_base_ids=[base.id], query=query)


@pytest.mark.timeout(300)
def test_a_site_of_200_pages_is_crawled_changed_and_crawled_again(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make, index: Make
) -> None:
    """Issue 3, §1 Web: the diff is right, unchanged pages cost a 304, and what is gone is not found any more."""
    articles = fill(website, pages=200)
    base = make_base(tenant_a)
    source = add_source(tenant_a, base, website.url())
    first = sync(tenant_a, source)
    assert (first.state, first.message) == ("completed", "")
    assert counts(first) == Counts(new=200)
    assert len(documents_of(tenant_a, base)) == 200
    assert max(Counter(website.asked).values()) == 1
    assert website.most_running == 1
    doomed = documents_of(tenant_a, base)[website.url(articles[7])]
    index(tenant_a, doomed)
    assert [passage.title for passage in find(tenant_a, base, words(f"Article {articles[7]}", 5))]

    for path in articles[:4]:
        website.put(path, page(f"Article {path}", "/", text=words(f"changed {path}")))
    del website.pages[articles[7]]
    website.put(
        "/section-3/", website.pages["/section-3/"].body.decode().replace("</ul>", '<li><a href="/new">N</a></ul>')
    )
    website.put("/new", page("New"))
    website.forget()
    second = sync(tenant_a, source)
    assert counts(second) == Counts(new=1, changed=4, unchanged=195, gone=1)
    assert diff_sentence(counts(second)) == "1 new, 4 changed, 1 gone"
    assert website.statuses == Counter({304: 194, 200: 6, 404: 2})
    assert website.url(articles[7]) not in documents_of(tenant_a, base)
    assert find(tenant_a, base, words(f"Article {articles[7]}", 5)) == []
    assert documents_of(tenant_a, base)[website.url(articles[0])].version_number == 2


def test_a_killed_run_goes_on_without_fetching_twice(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make
) -> None:
    """C-09's kin: a worker dies between two pages; the next one takes up what waits, and only that."""
    fill(website, sections=3, pages=30)
    source = add_source(tenant_a, make_base(tenant_a), website.url())

    class Killed(BaseException):
        pass

    def die(visited: int) -> None:
        if visited % 11 == 0:
            raise Killed

    with tenant_tx(tenant_a.tenant.id):
        run = SourceRun.objects.get(source=source)
    for _ in range(2):
        with pytest.raises(Killed), use_tenant(tenant_a.tenant.id):
            run_source(run_id=run.id, checkpoint=die)
    finished = sync(tenant_a, source)
    assert (finished.state, finished.attempt) == ("completed", 3)
    assert counts(finished) == Counts(new=30)
    assert max(Counter(website.asked_pages()).values()) == 1


def test_a_run_gives_its_worker_back_after_a_while(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make
) -> None:
    fill(website, sections=2, pages=8)
    source = add_source(tenant_a, make_base(tenant_a), website.url())
    with tenant_tx(tenant_a.tenant.id):
        run = SourceRun.objects.get(source=source)
    with use_tenant(tenant_a.tenant.id):
        assert run_source(run_id=run.id, seconds=0) == timedelta()
    with tenant_tx(tenant_a.tenant.id):
        run.refresh_from_db()
    assert run.state == "queued"
    assert sync(tenant_a, source).new_count == 8


def test_robots_and_pages_are_asked_before_they_are_taken(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make
) -> None:
    website.pages["/robots.txt"] = Answer(b"User-agent: *\nDisallow: /private\n", content_type="text/plain")
    website.put("/", page("Start", "/private/a", "/open", "/hidden", "/header", "/leaf"))
    website.put("/private/a", page("Private"))
    website.put("/open", page("Open"))
    website.put("/hidden", page("Hidden", head='<meta name="robots" content="noindex">'))
    website.put("/header", page("Header"), X_Robots_Tag="noindex")
    website.put("/leaf", page("Leaf", "/beyond", head='<meta name="robots" content="nofollow">'))
    website.put("/beyond", page("Beyond"))
    base = make_base(tenant_a)
    source = add_source(tenant_a, base, website.url())
    run = sync(tenant_a, source)
    assert set(documents_of(tenant_a, base)) == {website.url("/"), website.url("/open"), website.url("/leaf")}
    assert "/private/a" not in website.asked
    assert "/beyond" not in website.asked
    assert counts(run) == Counts(new=3, skipped=3)
    assert "robots.txt" in reasons(tenant_a, source)[website.url("/private/a")]
    # Whoever owns the site may say so.
    with tenant_tx(tenant_a.tenant.id):
        sources.update_source(source_id=source.id, obeys_robots=False)
    assert sync(tenant_a, source).new_count == 1


def test_a_site_in_trouble_loses_nothing(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make
) -> None:
    """A site that is down, that forgot its pages, or whose robots.txt cannot be read: failed, and nothing deleted."""
    fill(website, sections=2, pages=12)
    base = make_base(tenant_a)
    source = add_source(tenant_a, base, website.url())
    sync(tenant_a, source)
    website.is_down = True
    down = sync(tenant_a, source)
    assert (down.state, down.gone_count) == ("failed", 0)
    assert "robots.txt" in down.message
    website.is_down = False
    lost = website.pages.pop("/section-0/"), website.pages.pop("/section-1/")
    assert all(lost)
    hollow = sync(tenant_a, source)
    assert (hollow.state, hollow.gone_count) == ("failed", 0)
    assert "11 of 12 pages were missing" in hollow.message
    assert len(documents_of(tenant_a, base)) == 12
    accepted = sync(tenant_a, source, accepts_losses=True)
    assert (accepted.state, accepted.gone_count) == ("completed", 11)
    assert list(documents_of(tenant_a, base)) == [website.url("/")]
    del website.pages["/"]
    gone = sync(tenant_a, source)
    assert (gone.state, gone.gone_count) == ("failed", 0)
    assert "start address is gone" in gone.message


def test_private_addresses_are_refused_when_named_and_when_led_to(
    tenant_a: TenantWithKey, website: Website, canary: Website, make_base: Make, add_source: Make, sync: Make
) -> None:
    """L-09 L-10 L-11: neither an address nor a redirect nor a sitemap makes Parley call inside."""
    base = make_base(tenant_a)
    for address in ("http://127.0.0.1:9/", "http://169.254.169.254/latest", "http://2130706433/", "file:///etc/passwd"):
        with pytest.raises(Invalid) as refused:
            add_source(tenant_a, base, address)
        assert "address" in refused.value.errors
    inside = canary.url("/secret")
    website.put("/", page("Start", inside, "/away", "/far"))
    website.pages["/away"] = Answer(status=302, headers={"Location": inside})
    website.pages["/far"] = Answer(status=302, headers={"Location": "http://169.254.169.254/latest"})
    run = sync(tenant_a, source := add_source(tenant_a, base, website.url()))
    assert counts(run) == Counts(new=1, failed=2)
    assert run.problems[0]["sentence"].startswith("Only the usual web ports")
    assert canary.asked == []
    website.pages["/map.xml"] = Answer(
        f"<urlset><url><loc>{inside}</loc></url></urlset>".encode(), content_type="application/xml"
    )
    listed = sync(tenant_a, add_source(tenant_a, base, website.url("/map.xml"), kind="sitemap"))
    assert listed.state == "failed"
    website.pages["/start"] = Answer(status=302, headers={"Location": inside})
    started = sync(tenant_a, add_source(tenant_a, base, website.url("/start"), kind="page"))
    assert started.state == "failed"
    assert canary.asked == []
    assert source.id


def test_one_page_has_one_document_whatever_it_is_called(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make
) -> None:
    website.put("/", page("Start", "/a?utm_source=mail", "/a/", "/a#part", "/print/a", "/old", "/copy"))
    website.put("/a", page("A"))
    website.put("/a/", page("A"))
    website.put("/print/a", page("A to print", head='<link rel="canonical" href="/a">'))
    website.pages["/old"] = Answer(status=301, headers={"Location": "/moved"})
    website.put("/moved", page("Moved"))
    website.put("/copy", page("Moved"))
    base = make_base(tenant_a)
    source = add_source(tenant_a, base, website.url())
    run = sync(tenant_a, source)
    assert sorted(document.title for document in documents_of(tenant_a, base).values()) == ["A", "Moved", "Start"]
    assert run.new_count == 3
    assert max(Counter(website.asked_pages()).values()) <= 2
    assert sync(tenant_a, source).gone_count == 0


def test_a_page_that_moves_keeps_its_document(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make
) -> None:
    website.put("/", page("Start", "/old"))
    website.put("/old", page("Guide"))
    base = make_base(tenant_a)
    source = add_source(tenant_a, base, website.url())
    sync(tenant_a, source)
    before = documents_of(tenant_a, base)[website.url("/old")]
    website.pages["/new"] = website.pages["/old"]
    website.pages["/old"] = Answer(status=301, headers={"Location": "/new"})
    moved = sync(tenant_a, source)
    assert (moved.new_count, moved.gone_count) == (0, 0)
    after = documents_of(tenant_a, base)
    assert after[website.url("/new")].id == before.id
    assert website.url("/old") not in after


def test_files_come_along_and_pictures_are_not_even_asked_for(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make, index: Make
) -> None:
    website.put("/", page("Start", "/files/terms.pdf", "/download?id=3", "/logo.png", "/app", "/empty"))
    website.pages["/files/terms.pdf"] = Answer(files.pdf(1), content_type="application/pdf")
    website.pages["/download?id=3"] = Answer(files.docx(), content_type="application/octet-stream")
    website.pages["/logo.png"] = Answer(b"\x89PNG", content_type="image/png")
    website.pages["/app"] = Answer(b"MZ\0\0", content_type="application/x-msdownload")
    website.put("/empty", "<html><body><div id=app></div><script>start()</script></body></html>")
    base = make_base(tenant_a)
    run = sync(tenant_a, source := add_source(tenant_a, base, website.url()))
    found = documents_of(tenant_a, base)
    assert {document.name for document in found.values()} == {"index.html", "files/terms.pdf", "download?id=3.docx"}
    assert counts(run) == Counts(new=3, failed=1, skipped=1)
    assert "/logo.png" not in website.asked
    assert "without running its scripts" in reasons(tenant_a, source)[website.url("/empty")]
    for document in found.values():
        assert index(tenant_a, document).status == "indexed"


def test_patterns_depth_and_limits_bound_a_crawl(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make
) -> None:
    fill(website, sections=3, pages=40)
    base = make_base(tenant_a)
    only = sync(
        tenant_a, add_source(tenant_a, base, website.url(), include=["/", "/section-1/*"], exclude=["re:-1[0-9]"])
    )
    assert only.state == "completed"
    paths = {url.removeprefix(website.origin) for url in documents_of(tenant_a, base)}
    assert "/section-0/" not in paths or "/" in paths
    other = make_base(tenant_a, "Shallow")
    assert sync(tenant_a, add_source(tenant_a, other, website.url(), max_depth=1)).new_count == 4
    small = make_base(tenant_a, "Small")
    capped = sync(tenant_a, source := add_source(tenant_a, small, website.url(), max_pages=10))
    assert (capped.new_count, capped.is_capped, capped.state) == (10, True, "completed")
    assert "limit of 10 pages" in capped.message
    assert sync(tenant_a, source).gone_count == 0


def test_narrower_settings_let_pages_go_without_alarm(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make
) -> None:
    fill(website, sections=4, pages=41)
    base = make_base(tenant_a)
    source = add_source(tenant_a, base, website.url())
    sync(tenant_a, source)
    with tenant_tx(tenant_a.tenant.id):
        sources.update_source(source_id=source.id, exclude=["/section-0", "/section-1", "/section-2"])
    narrowed = sync(tenant_a, source)
    assert (narrowed.state, narrowed.gone_count) == ("completed", 30)
    assert len(documents_of(tenant_a, base)) == 11


def test_an_endless_calendar_ends(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make
) -> None:
    website.put("/", page("Start", "/calendar/2020/1"))
    for number in range(1, 400):
        text = "No events in this month. Go to the next month or to the one before."
        website.put(f"/calendar/2020/{number}", page(f"Month {number}", f"/calendar/2020/{number + 1}", text=text))
    run = sync(tenant_a, add_source(tenant_a, make_base(tenant_a), website.url(), max_depth=20, max_pages=1000))
    assert run.state == "completed"
    assert len(website.asked) < 60


def test_a_busy_site_is_left_alone_as_long_as_it_asks(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make
) -> None:
    website.put("/", page("Start", "/busy"))
    website.pages["/busy"] = Answer(status=429, headers={"Retry-After": "120"})
    source = add_source(tenant_a, make_base(tenant_a), website.url())
    with tenant_tx(tenant_a.tenant.id):
        run = SourceRun.objects.get(source=source)
    with use_tenant(tenant_a.tenant.id):
        assert run_source(run_id=run.id) == timedelta(seconds=120)
    with tenant_tx(tenant_a.tenant.id):
        run.refresh_from_db()
    assert (run.state, run.new_count) == ("queued", 1)
    assert "left alone" in run.message
    website.put("/busy", page("Busy"))
    assert counts(sync(tenant_a, source)) == Counts(new=2)


def test_what_a_person_deletes_stays_deleted(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make
) -> None:
    from apps.knowledge.services.documents import delete_document

    fill(website, sections=2, pages=10)
    base = make_base(tenant_a)
    source = add_source(tenant_a, base, website.url())
    sync(tenant_a, source)
    unwanted = documents_of(tenant_a, base)[website.url("/section-1/")]
    with tenant_tx(tenant_a.tenant.id):
        delete_document(document_id=unwanted.id)
    website.put("/section-1/", page("Section 1 again", "/section-1/article-1/"))
    for _ in range(2):
        again = sync(tenant_a, source)
        assert (again.new_count, again.changed_count, again.skipped_count) == (0, 0, 1)
    assert website.url("/section-1/") not in documents_of(tenant_a, base)


def test_cancelling_stops_the_worker_and_keeps_what_is_there(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make
) -> None:
    fill(website, sections=2, pages=20)
    base = make_base(tenant_a)
    source = add_source(tenant_a, base, website.url())
    with tenant_tx(tenant_a.tenant.id):
        run = SourceRun.objects.get(source=source)

    def cancel(visited: int) -> None:
        if visited == 5:
            with tenant_tx():
                assert sources.cancel_run(source_id=source.id)

    with use_tenant(tenant_a.tenant.id), pytest.raises(Superseded):
        run_source(run_id=run.id, checkpoint=cancel)
    with tenant_tx(tenant_a.tenant.id):
        run.refresh_from_db()
        assert not sources.cancel_run(source_id=source.id)
    assert run.state == "cancelled"
    assert len(documents_of(tenant_a, base)) == 5
    assert len(website.asked_pages()) <= 6
    assert sync(tenant_a, source).new_count == 15


@pytest.mark.parametrize("with_documents", [True, False])
def test_a_source_goes_with_its_documents_or_without(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make, *, with_documents: bool
) -> None:
    fill(website, sections=1, pages=6)
    base = make_base(tenant_a)
    source = add_source(tenant_a, base, website.url())
    shared = add_source(tenant_a, base, website.url("/section-0/"), kind="page")
    sync(tenant_a, source)
    sync(tenant_a, shared)
    with tenant_tx(tenant_a.tenant.id):
        sources.delete_source(source_id=source.id, with_documents=with_documents)
    left = documents_of(tenant_a, base)
    assert len(left) == (1 if with_documents else 6)
    assert website.url("/section-0/") in left


def test_sitemaps_lead_to_their_pages(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make
) -> None:
    articles = fill(website, sections=2, pages=12)
    index = "".join(f"<sitemap><loc>{website.url(f'/map-{number}.xml')}</loc></sitemap>" for number in (0, 1, 2))
    website.pages["/sitemap.xml"] = Answer(f"<sitemapindex>{index}</sitemapindex>".encode(), content_type="text/xml")
    for number in (0, 1):
        locs = "".join(f"<url><loc>{website.url(path)}</loc></url>" for path in articles[number::2])
        website.pages[f"/map-{number}.xml"] = Answer(
            f"<urlset>{locs}</urlset>".encode(), content_type="application/xml"
        )
    base = make_base(tenant_a)
    source = add_source(tenant_a, base, website.url("/sitemap.xml"), kind="sitemap")
    assert counts(sync(tenant_a, source)) == Counts(new=9)
    website.pages["/map-1.xml"] = Answer(f"<urlset><url><loc>{website.url(articles[1])}</loc></url></urlset>".encode(),
                                         content_type="application/xml")  # fmt: skip
    assert sync(tenant_a, source).gone_count == 3


def test_one_sync_at_a_time(tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make) -> None:
    source = add_source(tenant_a, make_base(tenant_a), website.url())
    with tenant_tx(tenant_a.tenant.id), pytest.raises(Conflict, match="being synced already"):
        sources.start_run(source_id=source.id)


def test_the_language_and_the_metadata_are_kept(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make
) -> None:
    website.put("/", '<html lang="de"><title>Start</title><p>Willkommen in unserem Haus.</p></html>')
    base = make_base(tenant_a)
    sync(tenant_a, add_source(tenant_a, base, website.url(), kind="page", metadata={"team": "support"}))
    (document,) = documents_of(tenant_a, base).values()
    assert document.metadata == {"team": "support", "language": "de"}


def test_retry_after_is_read_as_number_and_as_date() -> None:
    from datetime import UTC, datetime

    now = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    assert page_visit.retry_after_seconds("7", now=now) == 7
    assert page_visit.retry_after_seconds("Sat, 28 Nov 2026 12:01:00 GMT", now=now) == 60
    assert page_visit.retry_after_seconds("soon", now=now) == 30
    assert page_visit.retry_after_seconds("99999999", now=now) == 900


def test_a_site_that_falls_silent_ends_the_run(
    tenant_a: TenantWithKey, website: Website, make_base: Make, add_source: Make, sync: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    fill(website, sections=2, pages=40)
    source = add_source(tenant_a, make_base(tenant_a), website.url())
    real = page_visit.visit_page

    def silent(client: Any, address: str, **stamps: str) -> page_visit.Visit:
        if "article" in address:
            return page_visit.Visit("failed", address, "127.0.0.1 did not answer in time.", is_unreachable=True)
        return real(client, address, **stamps)

    monkeypatch.setattr(crawling, "visit_page", silent)
    run = sync(tenant_a, source)
    assert run.state == "failed"
    assert "stopped answering" in run.message
    assert run.failed_count < 10


def test_the_log_of_a_source_forgets_its_oldest_syncs(
    tenant_a: TenantWithKey,
    website: Website,
    make_base: Make,
    add_source: Make,
    sync: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("apps.knowledge.services.crawl_rows._LOGGED_RUNS", 2)
    website.put("/", page("Start", text=words("log")))
    source = add_source(tenant_a, make_base(tenant_a), website.url(), kind="page")
    runs = [sync(tenant_a, source) for _ in range(4)]
    with tenant_tx(tenant_a.tenant.id):
        assert list(SourceRun.objects.order_by("id").values_list("id", flat=True)) == [run.id for run in runs[2:]]
