"""Every error the tool raises on purpose, drawn as one tree.

    WiError                     exit 1 unless said otherwise
      UsageError                exit 2: an option, a name or a combination of them is wrong
      InputError                a file or table is wrong; carries every fault found, not only the first
        UnknownCodeError        codes that no reference list knows, each with its nearest matches
        ScenarioError           faults of a scenario file, each with its line
      CheckError                input was read, but an expectation of its source does not hold
      ModelError                a model cannot give an answer for this input
      OutputError               a result could not be written; nothing half-written is left
      FetchError                a download failed or its checksum differs

A message says what is wrong, where, and how to mend it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: `where` is file, file:line or table:row; `mend` is what to do about it."""

    what: str
    where: str = ""
    mend: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        mend = f" -> {self.mend}" if self.mend else ""
        return f"{place}{self.what}{mend}"


class WiError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 1

    def __init__(self, message: str, *, where: str = "", mend: str = "", faults: Iterable[Fault] = ()) -> None:
        self.message = message
        self.where = where
        self.mend = mend
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__(str(self))

    def __str__(self) -> str:
        head = str(Fault(self.message, self.where, self.mend))
        return "\n".join([head, *(f"  - {fault}" for fault in self.faults)])


class UsageError(WiError):
    """An option, a name or a combination of them is wrong."""

    exit_code = 2


class InputError(WiError):
    """A file or table is wrong."""


class UnknownCodeError(InputError):
    """Codes that no reference list knows."""


class ScenarioError(InputError):
    """Faults of a scenario file, each with its line."""


class CheckError(WiError):
    """An expectation declared for the source does not hold."""


class ModelError(WiError):
    """A model cannot give an answer for this input."""


class OutputError(WiError):
    """A result could not be written."""


class FetchError(WiError):
    """A download failed."""


class Checks:
    """Checks whose faults come in one error: each in a `with checks:` of its own, then `checks.done()`.

    UsageError and OutputError wait for the others; any other error is raised at once.

    >>> checks = Checks("cannot begin")
    >>> for what in ("model", "phase"):
    ...     with checks:
    ...         raise UsageError(f"no {what} 'x'", mend="choose another")
    >>> checks.done()
    Traceback (most recent call last):
    weaponized_interdependence.errors.UsageError: cannot begin
      - no model 'x' -> choose another
      - no phase 'x' -> choose another
    """

    def __init__(self, message: str) -> None:
        self._message = message
        self._found: list[WiError] = []

    def __enter__(self) -> None:
        """Begin one check."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        """Keep its fault."""
        if isinstance(error, UsageError | OutputError):
            self._found.append(error)
            return True
        return False

    def done(self) -> None:
        """Raise what was found: a single error as it was, several as one UsageError."""
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            raise UsageError(self._message, faults=dict.fromkeys(f for error in self._found for f in _told(error)))


def _told(error: WiError) -> list[Fault]:
    """What an error says, as faults that stand without its first line."""
    if not error.faults:
        return [Fault(error.message, error.where, error.mend)]
    return [Fault(f.what, f.where or error.where, f.mend or error.mend) for f in error.faults]


def nearest(name: str, known: Sequence[str], most: int = 3) -> list[str]:
    """The known names closest to `name`, best first: what an error offers as the likely mend."""
    from difflib import get_close_matches

    folded = {k.casefold(): k for k in known}
    return [folded[m] for m in get_close_matches(name.casefold(), list(folded), n=most, cutoff=0.6)]
