"""What several commands share about their arguments: flows by path, by name or from stdin; outputs tried before work begins."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
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


def read_flows(name: str) -> tuple["pl.DataFrame", dict[str, str]]:
    """FLOWS from a file, from stdin (`-`, CSV) or from the embedded default (`sample:crude_oil`), and what they are.

    The second part goes into the metadata of what is made from them: name, hash, and the publisher where known.
    """
    from weaponized_interdependence.schemas import FLOWS

    if name == "sample" or name.startswith("sample:"):
        return _sample_flows(name)
    if name == "-":
        return _flows_of_stdin()
    from weaponized_interdependence import exports

    frame = exports.read_frame(name, FLOWS)
    return frame, {"flows": name, "flows_sha256": sha256(name)}


def _sample_flows(name: str) -> tuple["pl.DataFrame", dict[str, str]]:
    from weaponized_interdependence.errors import UsageError
    from weaponized_interdependence.sample import load_sample

    part = name.partition(":")[2] or "world"
    if part not in SAMPLES:
        raise UsageError(
            f"the embedded default has no part {part!r}",
            mend=f"choose one of {', '.join(f'sample:{s}' for s in SAMPLES)}",
        )
    return getattr(load_sample(), SAMPLES[part]), {"flows": f"sample:{part} (embedded default)"}


def _flows_of_stdin() -> tuple["pl.DataFrame", dict[str, str]]:
    import hashlib

    import polars as pl

    from weaponized_interdependence.errors import Fault, InputError
    from weaponized_interdependence.schemas import FLOWS

    raw = sys.stdin.buffer.read()
    try:
        frame = pl.read_csv(raw, schema_overrides=FLOWS.schema)
    except (pl.exceptions.PolarsError, ValueError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            "not CSV", where="stdin", faults=[Fault(said[0])], mend=f"send a header and {', '.join(FLOWS.schema)}"
        ) from error
    return FLOWS.conform(frame, where="stdin"), {"flows": "stdin", "flows_sha256": hashlib.sha256(raw).hexdigest()}


def sha256(path: str | Path) -> str:
    """The hash of a file, as it stands in metadata."""
    from weaponized_interdependence.sources.reading import stamp

    return stamp(path).sha256


def try_output(path: str | Path, formats: Sequence[str] = (), *, stdout: bool = False) -> None:
    """Raise now what writing `path` would raise after the work: unknown extension, no such folder, no right to write."""
    from weaponized_interdependence.errors import OutputError, UsageError
    from weaponized_interdependence.exports import FORMATS

    if str(path) == "-":
        if not stdout:
            raise UsageError("this output cannot go to stdout", mend="name a file with -o")
        return
    path, known = Path(path), tuple(formats) or FORMATS
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder", mend="name a file in it")
    if path.suffix.lower() not in known:
        raise UsageError(f"do not know the format of {path.name!r}", mend=f"end the name in {' or '.join(known)}")
    try_folder(path.parent)


def try_folder(folder: Path) -> None:
    """Raise OutputError unless files can be made in `folder`."""
    from weaponized_interdependence.errors import OutputError

    if not folder.exists():
        raise OutputError(f"cannot write there: no folder {folder}", mend=f"make it (mkdir -p {folder}) or choose another")
    if not folder.is_dir():
        raise OutputError(f"cannot write there: {folder} is not a folder", mend="choose another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"cannot write there: no right to write in {folder}", mend="ask for the right to it, or choose another place"
        )


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


def typed(texts: Mapping[str, str], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Texts from the command line as the types that a function's parameters ask for (int, float, bool, list, mapping).

    Keys that the function does not have pass through: the function's owner names them better than we could.
    """
    from weaponized_interdependence.errors import Fault, UsageError

    found: dict[str, Any] = {}
    faults = []
    for key, text in texts.items():
        try:
            found[key] = _as_type(text, str(parameters[key].annotation)) if key in parameters else text
        except ValueError as error:
            faults.append(Fault(f"{key}={text}: {error}"))
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
        return tuple(int(i) for i in items) if "int" in hint and "str" not in hint else tuple(items)
    if "bool" in hint:
        if text.lower() not in _TRUE + _FALSE:
            raise ValueError("write true or false")
        return text.lower() in _TRUE
    if "str" in hint or "path" in hint or "literal" in hint:
        return text
    if "int" in hint:
        return int(text)
    return float(text) if "float" in hint else text


def no_completions_on_error(names: Iterable[str], incomplete: str) -> list[str]:
    """The names that begin so. A shell that is completing must never see an error of ours."""
    try:
        return sorted(n for n in names if n.startswith(incomplete))
    except Exception:
        return []


def complete_reader(incomplete: str) -> list[str]:
    """Names for READER."""
    from weaponized_interdependence.sources.registry import READERS

    return no_completions_on_error(READERS, incomplete)


def complete_source(incomplete: str) -> list[str]:
    """Names for a source."""
    from weaponized_interdependence.sources.declaration import declared

    return no_completions_on_error(declared(), incomplete)


def complete_indicator(incomplete: str) -> list[str]:
    """Names for --indicator."""
    from weaponized_interdependence.indicators.registry import INDICATORS

    return no_completions_on_error(INDICATORS, incomplete)


def complete_scenario(incomplete: str) -> list[str]:
    """Names of the worked scenarios."""
    from weaponized_interdependence.settings import data_dir

    return no_completions_on_error((p.stem for p in (data_dir() / "scenarios").glob("*.toml")), incomplete)


def complete_sample(incomplete: str) -> list[str]:
    """Names for FLOWS."""
    return no_completions_on_error((f"sample:{s}" for s in SAMPLES), incomplete)


def complete_kind(incomplete: str) -> list[str]:
    """Kinds of measure."""
    from weaponized_interdependence.terms import MeasureKind

    return no_completions_on_error((str(k) for k in MeasureKind), incomplete)


def complete_scheme(incomplete: str) -> list[str]:
    """Code schemes."""
    from weaponized_interdependence.harmonize.economies import SCHEMES

    return no_completions_on_error(SCHEMES, incomplete)


def complete_group(incomplete: str) -> list[str]:
    """Names of groups."""
    from weaponized_interdependence.harmonize.groups import groups

    return no_completions_on_error(groups()["group"].unique(), incomplete)


def complete_explainable(incomplete: str) -> list[str]:
    """Names for `wi explain`."""
    from weaponized_interdependence.cli.explain import explainable

    return no_completions_on_error(explainable(), incomplete)


def complete_model(incomplete: str) -> list[str]:
    """Names of models."""
    from weaponized_interdependence.simulation.simulate import MODELS

    return no_completions_on_error(MODELS, incomplete)
