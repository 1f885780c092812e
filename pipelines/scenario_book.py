"""Scheduled job: simulate every scenario of a folder over the same flows, one run folder each.

python pipelines/scenario_book.py --flows flows.parquet -o runs/ my_scenarios/*.toml
"""

import argparse
import sys
from pathlib import Path

import weaponized_interdependence as wi
from weaponized_interdependence.exports import read_frame
from weaponized_interdependence.runs import write_run
from weaponized_interdependence.schemas import FLOWS


def main(argv: list[str] | None = None) -> int:
    """Run the job; a scenario that fails is named and the others still run; 1 when any failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="+")
    parser.add_argument("--flows", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args(argv)
    failed = 0
    try:
        flows = read_frame(options.flows, FLOWS)
        options.out.mkdir(parents=True, exist_ok=True)
    except wi.WiError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    for named in options.scenarios:
        try:
            scenario = wi.load_scenario(named)
            folder = options.out / scenario.name
            write_run(wi.simulate(scenario, flows=flows), folder, overwrite=True)
            print(f"{folder}: written", file=sys.stderr)
        except wi.WiError as error:
            failed += 1
            print(f"{named}: {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
