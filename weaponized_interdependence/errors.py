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


def nearest(name: str, known: Sequence[str], most: int = 3) -> list[str]:
    """The known names closest to `name`, best first: what an error offers as the likely mend."""
    from difflib import get_close_matches

    folded = {k.casefold(): k for k in known}
    return [folded[m] for m in get_close_matches(name.casefold(), list(folded), n=most, cutoff=0.6)]
