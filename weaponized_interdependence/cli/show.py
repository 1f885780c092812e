"""What a screen looks like: numbers are never cut, unit and basis stand beside them; data on stdout, talk on stderr."""

import contextlib
import json
import math
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weaponized_interdependence.terms import Basis

if TYPE_CHECKING:
    from rich.console import Console

NOT_DEFINED = "n/d"

# Largest first: a column takes the first that its largest number reaches.
_SCALES = ((1e9, "bn"), (1e6, "mn"), (1e3, "thousand"), (1.0, ""))
_MOST_DECIMALS = 3
_GAP = 2
_CONTROL = {n: "?" for n in (*range(32), *range(127, 160)) if n != ord("\n")}


def out() -> "Console":
    """The console for what was asked for."""
    return _console(stderr=False)


def err() -> "Console":
    """The console for everything said beside it."""
    return _console(stderr=True)


def _console(stderr: bool) -> "Console":
    from rich.console import Console

    # NO_COLOR takes the bold and dim away too: no escape at all reaches the screen.
    colour: Any = None if os.environ.get("NO_COLOR") else "auto"
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, color_system=colour)


def say(text: str = "", style: str = "", *, indent: int = 0) -> None:
    """One paragraph on stdout, broken at words where the screen is too narrow."""
    console = out()
    _print(console, [_filled(text, console.width, " " * indent)], style)


def verbatim(text: str, *, indent: int = 0) -> None:
    """Lines on stdout as they are: formulas and examples lose their sense when they are filled anew."""
    _print(out(), [(" " * indent + line).rstrip() for line in text.splitlines()])


def heading(text: str) -> None:
    """A title with a blank line above it."""
    say()
    say(text, "bold")


def note(text: str) -> None:
    """One paragraph of talk on stderr."""
    console = err()
    _print(console, [_filled(text, console.width)], "dim")


def warn(text: str) -> None:
    """One warning on stderr."""
    console = err()
    _print(console, [_filled(f"warning: {text}", console.width)], "yellow")


def command(line: str) -> None:
    """A command to copy, on stderr: on a line of its own and never broken, however long."""
    _print(err(), [f"  {line}"])


def bullets(texts: Iterable[str], style: str = "") -> None:
    """A list with hanging indents on stdout."""
    console = out()
    _print(console, [_filled(text, console.width, "  - ", "    ") for text in texts], style)


def pairs(rows: Iterable[tuple[str, object]], indent: int = 2) -> None:
    """Names and values in two columns on stdout; a value of None or '' leaves its line out."""
    kept = [(name, str(value)) for name, value in rows if value not in (None, "")]
    if kept:
        # Words stay whole on the right: addresses, paths and hashes are there to be copied.
        left, right = Column("", [n for n, _ in kept], keep=True), Column("", [v for _, v in kept], whole_words=True)
        table([left, right], indent=indent, headers=False)


@dataclass(frozen=True)
class Column:
    """One column of a screen table. Cells of a `number` or a `keep` column are never broken or cut."""

    name: str
    cells: Sequence[str]
    number: bool = False
    keep: bool = False  # codes, names to type
    whole_words: bool = False  # a word that is too long runs over instead of being broken
    one_line: bool = False  # text that does not fit is cut, with ... for the rest: only where it can be had elsewhere
    fold: bool = False  # labels joined by + run on below, broken after a +: each part stays whole
    group: str = ""  # a heading over this column and its neighbours of the same group

    def natural(self) -> int:
        """The width at which nothing need be broken."""
        return max((len(self.name), *map(len, self.cells)))

    def least(self) -> int:
        """The width below which digits or codes would be lost, or text become unreadable."""
        widest = max(map(len, self.cells), default=0)
        words = max(map(len, self.name.split()), default=0)
        if self.fold:
            widest = max((len(part) for cell in self.cells for part in _parts(cell)), default=0)
        return max(widest if self.number or self.keep or self.fold else min(widest, 14), words)


def table(columns: Sequence[Column], *, indent: int = 2, headers: bool = True) -> None:
    """Print columns side by side on stdout; a column with nothing in any cell is left out."""
    columns = [c for c in columns if any(c.cells)] or columns
    console = out()
    widths = _widths(columns, console.width - indent)
    head, *body = _rows(columns, widths)
    if headers:
        head = _group_line(columns, widths) + head
        _print(console, (" " * indent + line for line in head), "bold")
    _print(console, (" " * indent + line for row in body for line in row))


def layout(columns: Sequence[Column], width: int, indent: int = 0) -> list[str]:
    """The lines of a table, header first. Where the screen is too narrow, lines run over rather than lose digits.

    >>> layout([Column("who", ["A", "B"], keep=True), Column("loss USD bn", ["1,234.5", "-0.1"], True)], 14)
    ['who   loss USD', '            bn', 'A      1,234.5', 'B         -0.1']
    """
    widths = _widths(columns, width - indent)
    lines = _group_line(columns, widths) + [line for row in _rows(columns, widths) for line in row]
    return [" " * indent + line for line in lines]


def _widths(columns: Sequence[Column], room: int) -> list[int]:
    """Natural widths, the widest taken down first until the table fits or every column has reached its least."""
    widths, least = [c.natural() for c in columns], [c.least() for c in columns]
    while sum(widths) + _GAP * (len(widths) - 1) > room:
        spare = [n for n in range(len(widths)) if widths[n] > least[n]]
        if not spare:
            break
        widths[max(spare, key=lambda n: widths[n])] -= 1
    return widths


def _group_line(columns: Sequence[Column], widths: Sequence[int]) -> list[str]:
    """The line of group headings, each beginning where the numbers of its first column can begin; none if no groups."""
    line, at, last = "", 0, ""
    for column, width in zip(columns, widths, strict=True):
        if column.group and column.group != last:
            line = line.ljust(at) + column.group + "  "
        last, at = column.group, at + width + _GAP
    return [line.rstrip()] if line else []


def _rows(columns: Sequence[Column], widths: Sequence[int]) -> list[list[str]]:
    """Each row (the header is the first) as its lines."""
    rows = []
    for cells in ([c.name for c in columns], *zip(*(c.cells for c in columns), strict=True)):
        broken = [_cell(cell, width, column) for cell, width, column in zip(cells, widths, columns, strict=True)]
        lines = []
        for parts in zip_longest(*broken, fillvalue=""):
            made = [
                part.rjust(w) if column.number else part.ljust(w)
                for part, w, column in zip(parts, widths, columns, strict=True)
            ]
            lines.append((" " * _GAP).join(made).rstrip())
        rows.append(lines)
    return rows


def _parts(label: str) -> list[str]:
    """A label in parts that stay whole, each but the last with the + that follows it."""
    *first, last = label.split("+")
    return [*(f"{part}+" for part in first), last]


def _folded(label: str, width: int) -> list[str]:
    """A label on as many lines as it needs.

    >>> _folded("CAN+DEU+USA", 8), _folded("EU", 8)
    (['CAN+DEU+', 'USA'], ['EU'])
    """
    lines = [""]
    for part in _parts(label):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return lines


def _cell(text: str, width: int, column: Column) -> list[str]:
    if column.fold:
        return _folded(text, width)
    if column.one_line and len(text) > width:
        return [textwrap.shorten(text, width, placeholder=" ...")]
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=not column.whole_words) or [""]


def _filled(text: str, width: int, first: str = "", then: str | None = None) -> str:
    then = first if then is None else then
    return textwrap.fill(
        text,
        max(width, 20),
        initial_indent=first,
        subsequent_indent=then,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _print(console: "Console", lines: Iterable[str], style: str = "") -> None:
    # soft_wrap: the lines are broken already, and rich would cut what does not fit. Control characters in a name from
    # someone's file must not reach the terminal.
    for line in lines:
        console.print(line.translate(_CONTROL), style=style or None, soft_wrap=True)


def scale(values: Iterable[float | None], unit: str) -> tuple[float, str]:
    """The divisor and the unit that a column of these numbers is shown in.

    >>> scale([2.5e9, 1e6], "USD"), scale([0.25], "share, 0 to 1"), scale([3.0], "ratio")
    ((1000000000.0, 'USD bn'), (0.01, 'per cent'), (1.0, 'ratio'))
    """
    if unit.startswith("share"):
        return 0.01, "per cent"
    if unit in ("USD", "EUR"):
        largest = max((abs(v) for v in values if v is not None and math.isfinite(v)), default=0.0)
        for size, word in _SCALES:
            if largest >= size:
                return size, f"{unit} {word}".strip()
    return 1.0, unit


def numbers(values: Sequence[float | None], divisor: float = 1.0) -> list[str]:
    """The numbers of one column with one number of decimals, so that they can be compared by eye.

    Enough decimals for three digits of the middle number, one or two of them (three where all are small): more would
    feign a precision that no figure here has. What would then read 0 is shown as <0.01, what is not defined as n/d.

    >>> numbers([1234.56, 0.25, None, 0.00001, -30.0])
    ['1,234.6', '0.2', 'n/d', '<0.1', '-30.0']
    >>> numbers([3.0, 4.0]), numbers([0.0123, 0.0345])
    (['3', '4'], ['0.012', '0.035'])
    """
    scaled = [None if v is None or math.isnan(v) else v / divisor for v in values]
    sizes = sorted(abs(v) for v in scaled if v and math.isfinite(v))
    if not sizes or (divisor == 1.0 and sizes[-1] < 1e15 and all(v.is_integer() for v in sizes)):
        decimals = 0
    else:
        middle = sizes[len(sizes) // 2]
        decimals = min(max(1, 2 - math.floor(math.log10(middle))), 2 if sizes[-1] >= 0.1 else 3)
    return [NOT_DEFINED if v is None else _one(v, decimals) for v in scaled]


def _one(value: float, decimals: int) -> str:
    if math.isinf(value):
        return "unbounded" if value > 0 else "-unbounded"
    floor = 10.0**-decimals
    if value and abs(value) < floor / 2:
        return f"{'<' if value > 0 else '>-'}{floor:.{decimals}f}"
    return f"{value:,.{decimals}f}"


def money(value: float | None, unit: str = "USD") -> str:
    """One amount in running text, four digits.

    >>> money(926.84e9), money(24.17e12), money(-3.2e6), money(12.0, "t")
    ('926.8 bn USD', '24.17 tn USD', '-3.200 mn USD', '12.00 t')
    """
    if value is None or math.isnan(value):
        return NOT_DEFINED
    value = float(f"{value:.4g}")  # first, so that 999.96 bn becomes 1.000 tn
    for size, word in ((1e12, "tn "), *((s, f"{w} " if w else "") for s, w in _SCALES)):
        if abs(value) >= size:
            digits = max(0, 3 - math.floor(math.log10(abs(value) / size)))
            return f"{value / size:,.{digits}f} {word}{unit}"
    return f"{value:.4g} {unit}"


def per_cent(share: float | None) -> str:
    """A share as per cent in running text.

    >>> per_cent(0.1234), per_cent(0.00001), per_cent(None)
    ('12.3 per cent', '<0.1 per cent', 'n/d')
    """
    return NOT_DEFINED if share is None or math.isnan(share) else f"{_one(share * 100, 1)} per cent"


def count(number: int, word: str, plural: str = "") -> str:
    """A number with its noun.

    >>> count(1, "row"), count(29156, "row"), count(2, "economy", "economies")
    ('1 row', '29,156 rows', '2 economies')
    """
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


def size(n: int) -> str:
    """A file size.

    >>> size(900), size(45_000), size(3_200_000)
    ('900 bytes', '45.0 kB', '3.2 MB')
    """
    for unit, label in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n >= unit:
            return f"{n / unit:.1f} {label}"
    return f"{n} bytes"


# No score is reported by anyone: of scores, a basis says what they were computed from.
_OF_SCORES = {
    Basis.OBSERVED: "computed from observed flows only",
    Basis.ESTIMATED: "computed from estimated flows, or from observed ones by a stated rule or algorithm",
    Basis.ASSUMED: "moved by something chosen, where a different choice would be as defensible",
}


def basis_lines(bases: Iterable[str], *, scores: bool = False) -> None:
    """Say how the numbers above came to be known, one line a basis; in yellow where they were not simply observed."""
    there = set(bases)
    for basis in (b for b in Basis if b in there):
        meaning = _OF_SCORES[basis] if scores else basis.meaning
        say(f"basis {basis}: {meaning}", style="" if basis is Basis.OBSERVED else "yellow")


def json_document(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout: numbers that are not finite become null, paths and dates text."""
    text = json.dumps(_plain(document), ensure_ascii=False, allow_nan=False, indent=2)
    sys.stdout.write(text + "\n")


def _plain(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case bool() | int() | None:
            return value
        case str():
            return str(value)
        case Path() | date():
            return str(value)
        case Mapping():
            return {str(k): _plain(v) for k, v in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(v) for v in value]
        case _ if hasattr(value, "to_dicts"):
            return _plain(value.to_dicts())
        case _ if hasattr(value, "model_dump"):
            return _plain(value.model_dump(mode="json"))
        case _ if hasattr(value, "__dataclass_fields__"):
            return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
        case _ if hasattr(value, "item"):
            return _plain(value.item())
        case _:
            return str(value)


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """Show on stderr that something takes time, and how long; nothing where stderr is not a terminal."""
    console = err()
    if not console.is_terminal or console.is_dumb_terminal:
        yield
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console, transient=True
    ) as bar:
        bar.add_task(what, total=None)
        yield


@contextlib.contextmanager
def downloading(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on stderr for (bytes so far, bytes in all or None); nothing where stderr is not a terminal."""
    console = err()
    if not console.is_terminal or console.is_dumb_terminal:
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    shown = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*shown, console=console, transient=True) as bar:
        task = bar.add_task(f"downloading {what}", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
