"""Patterns, scope, robots, traps, verdicts: what a crawl may take and when it stops."""

from __future__ import annotations

import time

import pytest

from apps.knowledge.crawl.outcome import Counts, diff_sentence, objection_to_losses
from apps.knowledge.crawl.patterns import BadPattern, Patterns
from apps.knowledge.crawl.robots import MAX_CRAWL_DELAY, Robots, read_directives, robots_path
from apps.knowledge.crawl.scope import Scope, may_hold_text
from apps.knowledge.crawl.traps import MAX_ALIKE, fingerprint, is_exhausted, is_trap, shape_of

SITE = "https://example.com"


@pytest.mark.parametrize(
    ("pattern", "matching", "not_matching"),
    [
        ("/docs", ["/docs", "/docs/", "/docs/a/b", "/docs?x=1"], ["/docsy", "/a/docs"]),
        ("/docs/*", ["/docs/a"], ["/docs", "/other"]),
        ("/*/api", ["/v1/api", "/v2/api/users"], ["/api"]),
        ("*.pdf", ["/a/b.pdf", "/b.pdf?v=2"], ["/b.pdfx", "/pdf"]),
        ("blog", ["/blog", "/en/blog/post"], ["/weblog"]),
        ("https://example.com/help/*", ["/help/a"], ["/docs/help/a"]),
        (r"re:/\d{4}/", ["/news/2024/a"], ["/news/24/a"]),
        ("/a?b=*", ["/a?b=1"], ["/aXb=1"]),
    ],
)
def test_patterns_match_as_people_mean_them(pattern: str, matching: list[str], not_matching: list[str]) -> None:
    patterns = Patterns.parse([pattern, " "])
    assert [path for path in matching if not patterns.matches(SITE + path)] == []
    assert [path for path in not_matching if patterns.matches(SITE + path)] == []


def test_a_broken_pattern_is_refused_with_a_sentence() -> None:
    with pytest.raises(BadPattern, match="not a regular expression"):
        Patterns.parse(["re:("])


def test_a_pattern_that_explodes_is_stopped_within_its_time() -> None:
    """L-13's spirit for patterns: nobody's expression holds a worker."""
    began = time.perf_counter()
    with pytest.raises(BadPattern, match="takes too long"):
        Patterns.parse([r"re:^(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)[0-9]$"])
    innocent = Patterns.parse([r"re:(.*z)(.*z)(.*z)(.*z)(.*z)(.*z)[!?]$"])
    with pytest.raises(BadPattern, match="takes too long"):
        innocent.matches(f"{SITE}/" + "z" * 600)
    assert time.perf_counter() - began < 2


def scope(*, include: list[str] | None = None, exclude: list[str] | None = None) -> Scope:
    return Scope.of(["https://www.example.com/docs/start"], include=include or [], exclude=exclude or [])


def test_a_crawl_stays_on_its_site_and_below_its_folder() -> None:
    found = scope(exclude=["/docs/old"])
    taken = ["http://example.com/docs/a", "https://www.example.com/docs/", "https://example.com/docs"]
    assert [address for address in taken if found.objection(address)] == []
    assert found.objection("https://example.com/blog") == "outside of /docs/"
    assert found.objection("https://blog.example.com/docs/a") == "another site"
    assert found.objection("https://example.com/docs/old/a") == "excluded by a pattern"


def test_included_patterns_replace_the_folder() -> None:
    found = scope(include=["/blog/*"])
    assert found.objection("https://example.com/blog/a") == ""
    assert found.objection("https://example.com/docs/a") == "not among the included patterns"


def test_pictures_and_archives_are_not_worth_a_request() -> None:
    assert [name for name in ("/a", "/a.html", "/a.pdf", "/a.docx", "/v1.2") if not may_hold_text(SITE + name)] == []
    assert [name for name in ("/a.png", "/a.ZIP", "/a.css") if may_hold_text(SITE + name)] == []


def test_robots_are_obeyed_by_name_and_longest_rule() -> None:
    robots = Robots.parse(
        b"User-agent: *\nDisallow: /private\nAllow: /private/open\nCrawl-delay: 2\n"
        b"Sitemap: https://example.com/map.xml\n\nUser-agent: Parley\nDisallow: /not-for-parley\n"
    )
    assert robots.allows(f"{SITE}/private/a")
    assert not robots.allows(f"{SITE}/not-for-parley/a")
    assert robots.sitemaps == [f"{SITE}/map.xml"]
    others = Robots.parse(b"User-agent: *\nDisallow: /private\nAllow: /private/open\nCrawl-delay: 2")
    assert not others.allows(f"{SITE}/private/a")
    assert others.allows(f"{SITE}/private/open/a")
    assert others.delay == 2
    assert Robots.parse(b"User-agent: *\nCrawl-delay: 9999").delay == MAX_CRAWL_DELAY
    assert Robots().allows(f"{SITE}/anything")
    assert robots_path("https://example.com:8443/a/b?c") == "https://example.com:8443/robots.txt"


def test_a_hostile_robots_file_costs_little_time() -> None:
    began = time.perf_counter()
    robots = Robots.parse(b"User-agent: *\n" + b"Disallow: /" + b"*a" * 2_000 + b"b\n" * 50)
    assert robots.allows(f"{SITE}/" + "a" * 1_900)
    assert time.perf_counter() - began < 1


def test_directives_of_a_page() -> None:
    assert read_directives(["NoIndex, follow"]).no_index
    assert not read_directives(["NoIndex, follow"]).no_follow
    both = read_directives(["none"])
    assert both.no_index
    assert both.no_follow
    assert not read_directives(["googlebot: noindex"]).no_index
    assert read_directives(["parley: noindex"]).no_index


def test_traps_are_seen_by_their_address() -> None:
    assert is_trap(f"{SITE}/a/b/a/b/a/b/a/b")
    assert is_trap(f"{SITE}/" + "/".join(map(str, range(40))))
    assert not is_trap(f"{SITE}/docs/2024/11/28/release")
    assert shape_of(f"{SITE}/cal/2024/11?day=3&view=w") == shape_of(f"{SITE}/cal/1999/01?view=m&day=28")
    assert shape_of(f"{SITE}/cal/2024") != shape_of(f"{SITE}/blog/2024")


def test_a_calendar_is_left_and_a_manual_is_not() -> None:
    month = "Calendar of events, month {n} of 20{n}. No events this month. Next. Before."
    months = [fingerprint(month.format(n=n)) for n in range(40)]
    subjects = ("pump", "valve", "filter", "motor", "cable", "sensor", "relay", "fuse", "clamp", "gasket", "spindle")
    chapters = [
        fingerprint(
            f"The {a} meets the {b}. Loosen {b} first, then turn {a} by hand until {a} and {b} are level again."
        )
        for a in subjects
        for b in subjects
        if a < b
    ]
    assert is_exhausted(months)
    assert not is_exhausted(months[: MAX_ALIKE - 1])
    assert not is_exhausted(chapters)


def test_a_run_is_told_in_one_sentence() -> None:
    assert diff_sentence(Counts(changed=4, gone=1, unchanged=195)) == "4 changed, 1 gone"
    assert diff_sentence(Counts(new=1200, failed=2)) == "1,200 new, 2 failed"
    assert diff_sentence(Counts(unchanged=200)) == "Nothing changed (200 pages)"


def test_a_site_that_is_down_loses_nothing() -> None:
    assert objection_to_losses(known=200, lost=101)
    assert objection_to_losses(known=200, lost=100) == ""
    assert objection_to_losses(known=3, lost=3) == ""
