"""Scheduled job: read one publisher's files, rank, write one Parquet. Skipped when the same inputs were ranked before.

python pipelines/ranking.py baci BACI_HS17_Y2022.csv.gz -o rankings/2022.parquet --indicator hhi_imports --by item
"""

import argparse
import sys
from pathlib import Path

import weaponized_interdependence as wi
from weaponized_interdependence.exports import check_extension, read_metadata, write
from weaponized_interdependence.indicators.rank import ranking_metadata
from weaponized_interdependence.schemas import SCORES


def main(argv: list[str] | None = None) -> int:
    """Run the job; return the exit code of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader")
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--indicator", action="append", default=None)
    parser.add_argument("--by", choices=["item"], action="append", default=None)
    options = parser.parse_args(argv)
    try:
        return run(
            options.reader,
            options.paths,
            options.out,
            options.indicator or ["hhi_imports", "panopticon"],
            options.by or [],
        )
    except wi.WiError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)


def run(reader: str, paths: list[Path], out: Path, indicators: list[str], by: list[str]) -> int:
    """Read, rank, write; 0 when the output stands."""
    check_extension(out)
    reading = wi.read(reader, *paths, strict=True)
    metadata = ranking_metadata(indicators, inputs=reading.files, options={"by": ",".join(by), "reader": reader})
    if out.suffix == ".parquet" and out.exists() and metadata.items() <= read_metadata(out).items():
        print(f"{out}: up to date, same inputs and definitions", file=sys.stderr)
        return 0
    scores = wi.rank(reading.flows, indicators, by=tuple(by))
    out.parent.mkdir(parents=True, exist_ok=True)
    write(scores, out, table=SCORES, metadata=metadata)
    print(f"{out}: {scores.height} scores from {reading.flows.height} flows", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
