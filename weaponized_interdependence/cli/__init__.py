"""The command line: one file a command group; a command parses, calls one library function, and shows."""

import sys


def main() -> None:
    """Run `wi`. Exit codes: 0 good, 1 failed check or bad input, 2 usage, 130 interrupted."""
    try:
        from weaponized_interdependence.cli.app import app

        for stream in (sys.stdout, sys.stderr):
            # A terminal that cannot show a letter gets its escape, not a crash in the middle of a table.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        app(prog_name="wi")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    except OSError as error:
        # Commands answer for their own errors; what is left is a screen that cannot even take the help.
        from weaponized_interdependence.cli.failing import complain, give_up_stdout, of_the_system

        complain(of_the_system(error))
        give_up_stdout()
        sys.exit(1)
