"""The line each value of a TOML document stands on; `tomllib` parses, but forgets the lines.

The scan walks the text once and never judges it: where a document is malformed it stops with what it has, and
`tomllib` says what is wrong. It does refuse nesting deeper than any honest scenario has, because a parser given
thousands of nested brackets or dotted keys runs out of stack, memory or time.
"""

import contextlib
import re
import tomllib
from bisect import bisect_left

Path = tuple[str | int, ...]

MAX_DEPTH = 32

_SPACE = re.compile(r"[ \t]*")
_FILL = re.compile(r"(?:[ \t\n]+|#[^\n]*)*+")  # what may stand between statements and between the values of an array
_KEY_PART = re.compile(r"[A-Za-z0-9_-]+" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'")
_STRING = re.compile(
    r'"""(?s:\\.|[^\\])*?"""(?:"{0,2})' r"|'''(?s:.)*?'''(?:'{0,2})" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'"
)
_SCALAR = re.compile(r"[^,\[\]{}#\n\"']+")


class TooDeepError(ValueError):
    """Tables, arrays or dotted keys nested deeper than MAX_DEPTH, with the line."""

    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__(f"nested deeper than {MAX_DEPTH} levels at line {line}")


class _StopError(Exception):
    """The text is not TOML from here on."""


def locate(text: str) -> dict[Path, int]:
    r"""Key path -> line (first is 1) of every table, key, array element and inline value of `text`.

    Elements of arrays, `[[arrays of tables]]` included, are numbered from 0. Raises TooDeepError.

    >>> locate('a = 1\n[[m]]\nb = [1,\n 2]\n')
    {('a',): 1, ('m',): 2, ('m', 0): 2, ('m', 0, 'b'): 3, ('m', 0, 'b', 0): 3, ('m', 0, 'b', 1): 4}
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    with contextlib.suppress(_StopError):
        scanner.document()
    return scanner.lines


def line_of(lines: dict[Path, int], path: Path) -> int | None:
    """The line of `path`, or of the nearest table that holds it: where a missing key should have stood."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.lines: dict[Path, int] = {}
        self.table: Path = ()
        self.counts: dict[Path, int] = {}  # array of tables -> how many elements so far
        self.newlines = [match.start() for match in re.finditer("\n", text)]

    def document(self) -> None:
        while True:
            self.skip(_FILL)
            if self.pos >= len(self.text):
                return
            if self.text.startswith("[[", self.pos):
                self.header("[[", "]]")
            elif self.text.startswith("[", self.pos):
                self.header("[", "]")
            else:
                self.pair(self.table)

    def header(self, opening: str, closing: str) -> None:
        line = self.line()
        self.expect(opening)
        key = self.key()
        self.expect(closing)
        path: Path = ()
        for part in key[:-1]:
            path += (part,)
            self.lines.setdefault(path, line)
            if path in self.counts:
                path += (self.counts[path] - 1,)
        path += (key[-1],)
        if opening == "[[":
            self.lines.setdefault(path, line)
            count = self.counts.get(path, 0)
            self.counts[path] = count + 1
            path += (count,)
        self.lines[path] = line
        self.table = path

    def pair(self, base: Path) -> None:
        line = self.line()
        path = base
        for part in self.key():
            path += (part,)
            self.lines.setdefault(path, line)
        self.expect("=")
        self.value(path)

    def value(self, path: Path) -> None:
        self.skip(_SPACE)
        if len(path) > MAX_DEPTH:
            raise TooDeepError(self.line())
        self.lines.setdefault(path, self.line())
        first = self.text[self.pos : self.pos + 1]
        if first == "[":
            self.array(path)
        elif first == "{":
            self.inline_table(path)
        elif first in ('"', "'"):
            self.take(_STRING)
        else:
            self.take(_SCALAR)

    def array(self, path: Path) -> None:
        self.expect("[")
        for number in range(len(self.text)):
            self.skip(_FILL)
            if self.reached("]"):
                return
            self.value((*path, number))
            self.skip(_FILL)
            if not self.reached(","):
                self.expect("]")
                return

    def inline_table(self, path: Path) -> None:
        self.expect("{")
        while True:
            self.skip(_FILL)
            if self.reached("}"):
                return
            self.pair(path)
            self.skip(_FILL)
            if not self.reached(","):
                self.expect("}")
                return

    def key(self) -> list[str]:
        parts = [self.key_part()]
        while self.reached("."):
            parts.append(self.key_part())
            if len(parts) > MAX_DEPTH:
                raise TooDeepError(self.line())
        return parts

    def key_part(self) -> str:
        self.skip(_SPACE)
        token = self.take(_KEY_PART)
        self.skip(_SPACE)
        if token[0] == '"' and "\\" in token:
            try:
                return str(tomllib.loads(f"k = {token}")["k"])
            except ValueError:
                raise _StopError from None
        return token[1:-1] if token[0] in "\"'" else token

    def line(self) -> int:
        return bisect_left(self.newlines, self.pos) + 1

    def skip(self, pattern: re.Pattern[str]) -> None:
        if match := pattern.match(self.text, self.pos):
            self.pos = match.end()

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.pos)
        if match is None:
            raise _StopError
        self.pos = match.end()
        return match.group()

    def reached(self, token: str) -> bool:
        if not self.text.startswith(token, self.pos):
            return False
        self.pos += len(token)
        return True

    def expect(self, token: str) -> None:
        self.skip(_SPACE)
        if not self.reached(token):
            raise _StopError
