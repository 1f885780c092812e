"""How a command fails: one readable message on stderr, the exit code of its class, and a traceback only on request.

0    good
1    bad input, a failed check, an output that cannot be written, a fault of the tool itself
2    usage: an unknown command, option, name, or a combination that makes no sense
130  interrupted
141  whoever read the output went away (quiet)
"""

import errno
import os
import sys
import traceback
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

# Every error that typer itself raises and shows. Taken from the public name, because its base moved between versions.
_SHOWN_BY_TYPER: tuple[type[BaseException], ...] = (
    typer.Exit,
    typer.Abort,
    *(c for c in typer.BadParameter.__mro__ if issubclass(c, Exception) and c is not Exception),
)


class CommandGroup(TyperGroup):
    """The root group: turns whatever a command raises into a message and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Accept --debug anywhere on the line: `run again with --debug` must work by adding it at the end."""
        own, sep, rest = _before_double_dash(args)
        if "--debug" in own:
            own = ["--debug", *(a for a in own if a != "--debug")]
        return super().parse_args(ctx, [*own, *sep, *rest])

    def invoke(self, ctx: Any) -> Any:
        """Run the command; on failure say why and leave with the right code."""
        from weaponized_interdependence.errors import WiError

        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except _SHOWN_BY_TYPER:
            raise
        except WiError as error:
            _leave(ctx, str(error), error.exit_code, error)
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.ESHUTDOWN):
                _reader_went_away()
            if error.errno == errno.ENOSPC:
                give_up_stdout()
            _leave(ctx, of_the_system(error), 1, error)
        except MemoryError as error:
            _leave(
                ctx, "out of memory -> read fewer periods, or aggregate while reading (wi load --aggregate)", 1, error
            )
        except Exception as error:
            said = str(error).strip().splitlines()
            reason = f"{type(error).__name__}{': ' + said[0] if said else ''}"
            _leave(ctx, f"unexpected: {reason} -> run again with --debug and report what it shows", 1, error)


def _before_double_dash(args: list[str]) -> tuple[list[str], list[str], list[str]]:
    if "--" not in args:
        return args, [], []
    cut = args.index("--")
    return args[:cut], ["--"], args[cut + 1 :]


def of_the_system(error: OSError) -> str:
    """What the operating system refused, where, and the mend."""
    place = f"{error.filename}: " if error.filename else ""
    mend = {
        errno.ENOENT: "check the path",
        errno.EACCES: "ask for the right to it, or choose another place",
        errno.ENOSPC: "free room or choose another place",
        errno.EISDIR: "name a file in that folder",
    }.get(error.errno or 0, "run again with --debug to see where")
    return f"{place}{error.strerror or error} -> {mend}"


def _leave(ctx: Any, message: str, code: int, error: BaseException) -> NoReturn:
    if ctx.params.get("debug"):
        traceback.print_exception(error, file=sys.stderr)
    complain(message)
    raise typer.Exit(code) from error


def _reader_went_away() -> NoReturn:
    give_up_stdout()
    raise typer.Exit(141)


def give_up_stdout() -> None:
    """Point stdout at nothing, or the interpreter's last flush would complain once more about the same pipe or disk."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def complain(message: str) -> None:
    """Write `error: message` to stderr, plain where there is no colour."""
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    head = "\033[1;31merror:\033[0m" if coloured else "error:"
    # A message may quote a bad file: what it quotes must not move the cursor.
    quiet = "".join(c if c in "\n\t" or c.isprintable() else "?" for c in message)
    sys.stderr.write(f"{head} {quiet}\n")
    sys.stderr.flush()
