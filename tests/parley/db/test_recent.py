"""What was read a moment ago is given again, but never after it was forgotten."""

from __future__ import annotations

from parley.db.recent import Recent


def test_a_value_is_read_once_until_it_is_forgotten() -> None:
    recent: Recent[int] = Recent(seconds=60)
    assert [recent.remembered("a", lambda: 1), recent.remembered("a", lambda: 2)] == [1, 1]
    assert recent.remembered("b", lambda: 3) == 3
    recent.forget()
    assert recent.remembered("a", lambda: 4) == 4


def test_nothing_outlives_its_time() -> None:
    recent: Recent[int] = Recent(seconds=0)
    assert [recent.remembered("a", lambda: 1), recent.remembered("a", lambda: 2)] == [1, 2]


def test_what_is_forgotten_while_it_is_read_is_not_kept() -> None:
    """The reader may have seen the state before the change."""
    recent: Recent[int] = Recent(seconds=60)

    def read() -> int:
        recent.forget()
        return 1

    assert [recent.remembered("a", read), recent.remembered("a", lambda: 2)] == [1, 2]


def test_it_stays_small() -> None:
    recent: Recent[int] = Recent(seconds=60, most=2)
    for number in range(5):
        recent.remembered(number, lambda: 0)
    assert len(recent._values) <= 2
