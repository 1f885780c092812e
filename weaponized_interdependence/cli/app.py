"""`wi`: the list of commands. Nothing heavy is imported here: `wi --help` must answer at once."""

from typing import Annotated

import typer

from weaponized_interdependence.cli.arguments import option
from weaponized_interdependence.cli.coalition import coalition
from weaponized_interdependence.cli.compare import compare
from weaponized_interdependence.cli.demo import demo
from weaponized_interdependence.cli.explain import explain
from weaponized_interdependence.cli.failing import CommandGroup
from weaponized_interdependence.cli.load import load
from weaponized_interdependence.cli.lookup import codes, groups
from weaponized_interdependence.cli.rank import rank
from weaponized_interdependence.cli.reach import reach
from weaponized_interdependence.cli.scenario import scenario
from weaponized_interdependence.cli.simulate import runs, simulate
from weaponized_interdependence.cli.sources import sources

app = typer.Typer(
    name="wi",
    cls=CommandGroup,
    no_args_is_help=True,
    # Plain help: rich takes as long to import as everything else `wi --help` does together.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "WI"},
)


def _version(asked: bool) -> None:
    if asked:
        import weaponized_interdependence

        print(f"wi {weaponized_interdependence.__version__}", flush=True)
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, option("--debug", help="show the traceback of an error; may stand anywhere")] = False,
    version: Annotated[
        bool, option("--version", help="show the version and leave", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Who can deny, who can see, and what coercion costs both sides.

    Begin with `wi demo`. Data goes to stdout, everything said beside it to stderr. Exit codes: 0 good, 1 bad input or
    a failed check, 2 usage. Every option can be set in the environment, as WI_COMMAND_OPTION: WI_RANK_TOP=20 is
    `wi rank --top 20`.
    """


app.command(short_help="Rank and simulate on the embedded default.")(demo)
app.command(short_help="Read a publisher's files into one checked table.")(load)
app.add_typer(sources, name="sources")
app.command(short_help="Rank who can see and who can deny.")(rank)
app.command(short_help="Compute whose law grips which node.")(reach)
app.command(short_help="Compare two rankings: who rose, who fell.")(compare)
app.command(short_help="Explain an indicator, a model, a table, a word.")(explain)
app.command(short_help="Simulate a scenario: both sides and everyone else.")(simulate)
app.command(short_help="Hold a coalition against wider and deeper ones.")(coalition)
app.add_typer(scenario, name="scenario")
app.add_typer(runs, name="runs")
app.command(short_help="List groups, or the members of one on a day.")(groups)
app.command(short_help="Say which economy each code or name means.")(codes)
