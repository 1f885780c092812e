"""What commands share: flows by path, by name or from stdin; key=value options; outputs tried before work begins."""

import os
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import polars as pl

# The name of the environment variable follows from a rule that `wi --help` states once; not in every line.
option = partial(typer.Option, show_envvar=False)

AsJson = Annotated[bool, option("--json", help="one JSON document instead of the screen")]

SAMPLES = {"crude_oil": "crude_oil", "claims": "claims", "world": "flows"}


@dataclass(frozen=True)
class Opened:
    """Flows, with the stamps of the files they came from or, where there is no file, a name."""

    frame: "pl.LazyFrame"
    stamps: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()


def open_flows(name: str) -> Opened:
    """FLOWS from a file, stdin (`-`, CSV), the embedded default (`sample:crude_oil`) or an input-output table.

    A Parquet that this tool wrote as FLOWS was checked then and is scanned, not read: it may be larger than memory.
    """
    from weaponized_interdependence.errors import InputError
    from weaponized_interdependence.exports import read_frame
    from weaponized_interdependence.schemas import FLOWS
    from weaponized_interdependence.sources.reading import stamp

    if is_sample(name):
        return Opened(sample_flows(name).lazy(), names=(f"{name} (embedded default)",))
    if name == "-":
        return _flows_of_stdin()
    kind = _table_kind(Path(name))
    if kind == "IO_TABLE":
        from weaponized_interdependence.cli.show import note
        from weaponized_interdependence.io_table import negative_flows, read_table, to_flows

        table = read_table(name)
        if lost := negative_flows(table).height:
            note(f"{name}: {lost} deliveries below zero (stocks drawn down) are no flows and are left out")
        return Opened(to_flows(table).lazy(), (stamp(name),))
    if kind == "FLOWS":
        import polars as pl

        return Opened(pl.scan_parquet(name, glob=False), (stamp(name),))
    if kind:
        raise InputError(
            f"is a {kind} table, not FLOWS", where=name, mend="give what `wi load` made of trade or claims"
        )
    return Opened(read_frame(name, FLOWS).lazy(), (stamp(name),))


def open_table(name: str) -> tuple[Any, tuple[Any, ...], tuple[str, ...]]:
    """An input-output table from a Parquet of `wi load`, or `sample`; its stamp, or its name where it has no file."""
    from weaponized_interdependence.io_table import read_table
    from weaponized_interdependence.sources.reading import stamp

    if is_sample(name):
        from weaponized_interdependence.sample import load_sample

        return load_sample().table, (), ("sample table (embedded default)",)
    return read_table(name), (stamp(name),), ()


def is_table(name: str) -> bool:
    """Whether a name means an input-output table of `wi load`."""
    return name != "-" and not is_sample(name) and _table_kind(Path(name)) == "IO_TABLE"


def is_sample(name: str) -> bool:
    """Whether a name means the embedded default."""
    return name == "sample" or name.startswith("sample:")


def sample_flows(name: str) -> "pl.DataFrame":
    """A part of the embedded default by name: sample:crude_oil, sample:claims, sample:world; `sample` is the world."""
    from weaponized_interdependence.errors import UsageError
    from weaponized_interdependence.sample import load_sample

    part = name.partition(":")[2] or "world"
    if part not in SAMPLES:
        raise UsageError(
            f"the embedded default has no part {part!r}",
            mend=f"choose one of {', '.join(f'sample:{s}' for s in SAMPLES)}",
        )
    found: pl.DataFrame = getattr(load_sample(), SAMPLES[part])
    return found


def _table_kind(path: Path) -> str:
    """What a Parquet says it is; empty where it says nothing or is another kind of file."""
    from weaponized_interdependence.errors import InputError
    from weaponized_interdependence.exports import read_metadata

    if path.suffix.lower() != ".parquet":
        return ""
    try:
        return read_metadata(path).get("table", "")
    except FileNotFoundError as error:
        raise InputError("no such file", where=str(path), mend="check the path") from error
    except (OSError, ValueError) as error:
        raise InputError(
            "cannot be read as Parquet", where=str(path), mend="is it whole, and is it a Parquet file?"
        ) from error


def _flows_of_stdin() -> Opened:
    import hashlib

    import polars as pl

    from weaponized_interdependence.errors import Fault, InputError
    from weaponized_interdependence.schemas import FLOWS
    from weaponized_interdependence.sources.reading import FileStamp

    raw = sys.stdin.buffer.read()
    try:
        frame = pl.read_csv(raw, schema_overrides=FLOWS.schema)
    except (pl.exceptions.PolarsError, ValueError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            "not CSV", where="stdin", faults=[Fault(said[0])], mend=f"send a header and {', '.join(FLOWS.schema)}"
        ) from error
    seal = FileStamp("stdin", hashlib.sha256(raw).hexdigest(), len(raw))
    return Opened(FLOWS.conform(frame, where="stdin").lazy(), (seal,))


def sha256(path: str | Path) -> str:
    """The hash of a file."""
    from weaponized_interdependence.sources.reading import stamp

    return stamp(path).sha256


def try_output(path: str | Path, formats: Sequence[str] = (), *, stdout: bool = False) -> Path:
    """The file to write; raises now what writing it would raise after the work: unknown extension, no folder, no right.

    A link is resolved: writing puts a whole new file in place, which would replace the link and leave what it leads to
    as it was. A device or a pipe is refused, for the same reason.
    """
    from weaponized_interdependence.errors import OutputError, UsageError
    from weaponized_interdependence.exports import FORMATS

    if str(path) == "-":
        if not stdout:
            raise UsageError("this output cannot go to stdout", mend="name a file with -o")
        return Path(path)
    path, known = Path(path), tuple(formats) or FORMATS
    place = path.resolve() if path.is_symlink() else path
    called = str(path) if place == path else f"{path} (a link to {place})"
    if place.is_dir():
        raise OutputError(f"cannot write {called}: it is a folder", mend="name a file in it")
    if place.exists() and not place.is_file():
        raise OutputError(f"cannot write {called}: it is no regular file", mend="name a file, or - for stdout")
    if path.suffix.lower() not in known:
        raise UsageError(f"do not know the format of {path.name!r}", mend=f"end the name in {' or '.join(known)}")
    if place.suffix.lower() != path.suffix.lower():
        raise UsageError(f"{called} ends in another format", mend="name the file itself")
    try_folder(place.parent)
    return place


def refuse_same(out: Path, inputs: Iterable[str | Path | None]) -> None:
    """Raise UsageError where the output would replace one of the inputs."""
    from weaponized_interdependence.errors import UsageError

    if out.exists() and any(path and Path(path).exists() and os.path.samefile(out, path) for path in inputs):
        raise UsageError(f"{out} is an input and would be replaced", mend="choose another name with -o")


def try_folder(folder: Path, name: str = "") -> None:
    """Raise OutputError unless files can be made in `folder`: what a write makes there first is made, and removed."""
    from weaponized_interdependence.errors import OutputError

    if not folder.exists():
        raise OutputError(
            f"cannot write there: no folder {folder}", mend=f"make it (mkdir -p {folder}) or choose another"
        )
    if not folder.is_dir():
        raise OutputError(f"cannot write there: {folder} is not a folder", mend="choose another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"cannot write there: no right to write in {folder}",
            mend="ask for the right to it, or choose another place",
        )
    try:
        Path(tempfile.mkdtemp(prefix=f".{name}.part-", dir=folder)).rmdir()
    except OSError as error:
        raise OutputError(
            f"cannot write {name or 'there'} in {folder}: {error.strerror}", mend="choose another place or name"
        ) from error


def pairs_of(given: Iterable[str], option: str, *, keep_dashes: bool = False) -> dict[str, str]:
    """`key=value` texts as a dict; UsageError with every one that is not of that form or comes twice."""
    from weaponized_interdependence.errors import Fault, UsageError

    found: dict[str, str] = {}
    faults = []
    for text in given:
        key, sign, value = text.partition("=")
        key = key.strip() if keep_dashes else key.strip().replace("-", "_")
        if not sign or not key:
            faults.append(Fault(f"{text!r} is not key=value"))
        elif key in found:
            faults.append(Fault(f"{key} is given twice"))
        found[key] = value.strip()
    if faults:
        raise UsageError(f"cannot use {option}", mend=f"write {option} key=value, once a key", faults=faults)
    return found


def typed(
    texts: Mapping[str, str], parameters: Mapping[str, Any], called: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Texts from the command line as the types that a function's parameters ask for (int, float, bool, list, mapping).

    Keys that the function does not have pass through: the function's owner names them better than we could. `called`
    says what the user typed for a key, where that was another word.
    """
    from weaponized_interdependence.errors import Fault, UsageError

    found: dict[str, Any] = {}
    faults = []
    for key, text in texts.items():
        try:
            found[key] = _as_type(text, str(parameters[key].annotation)) if key in parameters else text
        except ValueError as error:
            faults.append(Fault(f"{(called or {}).get(key, key)} {text}", mend=str(error)))
    if faults:
        raise UsageError("an option has a value of the wrong kind", faults=faults)
    return found


_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def _as_type(text: str, annotation: str) -> Any:
    hint = annotation.lower()
    if "mapping" in hint or "dict" in hint:
        parts = [p.partition(":") for p in text.split(",") if p]
        if any(not sign for _, sign, _ in parts):
            raise ValueError("write name:value,name:value")
        return {key.strip(): value.strip() for key, _, value in parts}
    if any(word in hint for word in ("sequence", "iterable", "tuple", "list", "set")):
        items = [p.strip() for p in text.split(",") if p.strip()]
        return tuple(_number(i, int) for i in items) if "int" in hint and "str" not in hint else tuple(items)
    if "bool" in hint:
        if text.lower() not in _TRUE + _FALSE:
            raise ValueError("write true or false")
        return text.lower() in _TRUE
    if "str" in hint or "path" in hint or "literal" in hint:
        return text
    if "int" in hint:
        return _number(text, int)
    return _number(text, float) if "float" in hint else text


def _number(text: str, kind: type[int] | type[float]) -> int | float:
    try:
        return kind(text)
    except ValueError:
        raise ValueError("write a whole number" if kind is int else "write a number") from None
