"""Tables of a PDF page, told by columns of cells that stand one below the other.

A page stores no tables, only text in places. Lines that are much wider than their letters have gaps; lines with
gaps at the same places, one after the other in the order of the page, are rows. Only lines with gaps are looked
at closely, so a page of running text costs two measurements per line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Left and right edge, in points.
_Column = tuple[float, float]
# Left edge, right edge and height of the letter at an index of the page's text, in points; None for no letter.
Measure = Callable[[int], tuple[float, float, float] | None]

# Width per letter as a share of the height of type: running text has about 0.4 in Latin type, and 0.7 where
# each sign fills a square.
_LOOSE, _LOOSE_SQUARE = 0.5, 0.85
_FIRST_SQUARE = "\u2e80"
_GAP = 0.6
_MIN_ROWS = 3
_MAX_CELL = 120
_HEAD_LINES = 16
_HEAD_DISTANCE = 4.0
_MIN_FILLED = 0.4
_MAX_MERGED_WIDTH = 20


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a line between gaps."""

    left: float
    right: float
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """A printed line: its cells (one where it has no gaps), its top edge and the height of its type in points."""

    cells: tuple[Cell, ...]
    top: float
    size: float


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that stand for the lines from `first` to before `end`."""

    first: int
    end: int
    rows: list[list[str]]


def span(text: str, start: int, top: float, size: float, measure: Measure) -> Span:
    """The line whose letters begin at `start` of the page's text, divided where it has gaps."""
    first, last = measure(start), measure(start + len(text) - 1)
    if first is None or last is None or size <= 0:
        return Span((), top, size)
    whole = Cell(first[0], last[1], text)
    limit = _LOOSE_SQUARE if text[0] >= _FIRST_SQUARE else _LOOSE
    if whole.right - whole.left <= limit * size * len(text) or " " not in text:
        return Span((whole,), top, size)
    return Span(tuple(_cells(text, start, size, measure)), top, size)


def _cells(text: str, start: int, size: float, measure: Measure) -> Iterator[Cell]:
    begin = 0
    left = measure(start)
    for position, letter in enumerate(text):
        if letter != " " or not 0 < position < len(text) - 1:
            continue
        before, after = measure(start + position - 1), measure(start + position + 1)
        if left is not None and before is not None and after is not None and after[0] - before[1] > _GAP * size:
            yield Cell(left[0], before[1], text[begin:position].strip())
            begin, left = position + 1, after
    end = measure(start + len(text) - 1)
    if left is not None and end is not None:
        yield Cell(left[0], end[1], text[begin:].strip())


def find_tables(spans: list[Span]) -> Iterator[Table]:
    """The tables among the lines of a page, which come in the page's own order."""
    position = 0
    while position < len(spans):
        end = _end_of_run(spans, position)
        if end - position < _MIN_ROWS:
            position += 1
            continue
        body = spans[position:end]
        columns = _columns(body)
        rows = _rows(body, columns)
        if _is_table(rows):
            first = _begin_of_head(spans, position, columns)
            if first < position:
                rows.insert(0, _joined(spans[first:position], columns))
            yield Table(first, end, rows)
        position = end


def _end_of_run(spans: list[Span], first: int) -> int:
    """Where the rows that begin at `first` end: each has gaps, and stands below the one before it."""
    end = first
    for index in range(first, len(spans)):
        here = spans[index]
        if len(here.cells) < 2 or any(len(cell.text) > _MAX_CELL for cell in here.cells):
            break
        if index > first:
            step = spans[index - 1].top - here.top
            if not -0.5 * here.size <= step <= 4 * here.size or not _shares_a_gap(spans[index - 1], here):
                break
        end = index + 1
    return end


def _shares_a_gap(above: Span, below: Span) -> bool:
    """Whether a vertical line can be drawn between cells of both; rows of one printed line continue it."""
    if abs(above.top - below.top) < 0.5 * below.size:
        return True
    gaps = [[(a.right, b.left) for a, b in zip(row.cells, row.cells[1:], strict=False)] for row in (above, below)]
    return any(min(x[1], y[1]) - max(x[0], y[0]) > 0 for x in gaps[0] for y in gaps[1])


def _columns(rows: list[Span]) -> list[_Column]:
    """Left and right edges of the columns: cells that overlap from above to below share one, and so do
    neighbours of which no row fills both (a name set left above figures set right).
    """
    edges: list[list[float]] = []
    filled: list[set[float]] = []
    for top, cell in sorted(((row.top, cell) for row in rows for cell in row.cells), key=lambda item: item[1].left):
        if edges and cell.left < edges[-1][1]:
            edges[-1][1] = max(edges[-1][1], cell.right)
            filled[-1].add(top)
        else:
            edges.append([cell.left, cell.right])
            filled.append({top})
    columns: list[_Column] = []
    last: set[float] = set()
    for (left, right), tops in zip(edges, filled, strict=True):
        if columns and not tops & last and right - columns[-1][0] < _MAX_MERGED_WIDTH * rows[0].size:
            columns[-1] = (columns[-1][0], right)
            last |= tops
        else:
            columns.append((left, right))
            last = set(tops)
    return columns


def _is_table(rows: list[list[str]]) -> bool:
    """At least two columns and rows, filled enough, and no list whose marks stand apart."""
    cells = sum(bool(cell) for row in rows for cell in row)
    marks = sum(not any(map(str.isalnum, row[0])) for row in rows)
    is_list = len(rows[0]) == 2 and marks > 0.6 * len(rows)
    return len(rows) > 1 and len(rows[0]) > 1 and cells >= _MIN_FILLED * len(rows) * len(rows[0]) and not is_list


def _overlaps(cell: Cell, columns: list[_Column]) -> list[int]:
    return [number for number, (left, right) in enumerate(columns) if cell.left < right and cell.right > left]


def _column_of(cell: Cell, columns: list[_Column]) -> int:
    """The column a cell stands in, or the nearest."""
    middle = (cell.left + cell.right) / 2
    return min(range(len(columns)), key=lambda n: max(columns[n][0] - middle, middle - columns[n][1], 0.0))


def _begin_of_head(spans: list[Span], first: int, columns: list[_Column]) -> int:
    """A head over several lines comes in pieces before the rows: each above one column, near the first row."""
    begin = first
    for index in range(first - 1, max(-1, first - _HEAD_LINES - 1), -1):
        here = spans[index]
        distance = here.top - spans[first].top
        is_near = 0 < distance <= _HEAD_DISTANCE * here.size
        if not is_near or not here.cells or any(len(_overlaps(cell, columns)) > 1 for cell in here.cells):
            break
        begin = index
    head = spans[begin:first]
    filled = {number for here in head for cell in here.cells for number in [_column_of(cell, columns)]}
    # A title or a note stands above one column too; a head names most of them.
    return begin if len(filled) >= max(2, 0.6 * len(columns)) else first


def _rows(spans: list[Span], columns: list[_Column]) -> list[list[str]]:
    rows: list[list[str]] = []
    tops: list[float] = []
    for here in spans:
        if not rows or abs(tops[-1] - here.top) > 0.5 * here.size:
            rows.append([""] * len(columns))
            tops.append(here.top)
        _fill(rows[-1], here, columns)
    return rows


def _joined(spans: list[Span], columns: list[_Column]) -> list[str]:
    row = [""] * len(columns)
    for here in sorted(spans, key=lambda here: -here.top):
        _fill(row, here, columns)
    return row


def _fill(row: list[str], here: Span, columns: list[_Column]) -> None:
    for cell in here.cells:
        number = _column_of(cell, columns)
        row[number] = f"{row[number]} {cell.text}".strip()
