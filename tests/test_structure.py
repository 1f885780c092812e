"""The structure is a promise: imports go downward, no circles, and no file says what it must not."""

import ast
import re
import subprocess
from collections.abc import Container
from pathlib import Path

import pytest

PACKAGE = "weaponized_interdependence"

# Lower number: nearer the ground. A module may import only modules of its own number or below it.
FLOORS = {
    "errors": 0, "terms": 0, "settings": 0,
    "schemas": 1, "sums": 1, "compiled": 1, "periods": 2,
    "exports": 3, "io_table": 3, "harmonize": 3, "macro": 4, "scenario": 5, "network": 5,
    "sources": 6, "reach": 6, "estimation": 6, "sample": 7,
    "indicators": 8, "comparison": 9, "simulation": 9, "assessment": 10, "runs": 11, "report": 12,
    "cli": 13, "__main__": 13,
}  # fmt: skip


def modules(root: Path) -> list[Path]:
    return sorted((root / PACKAGE).rglob("*.py"))


def name_of(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, known: Container[str] = ()) -> set[str]:
    """What a file imports; `from package import module` is the module, not the package that holds it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in whole.values()}
    return found


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def floor(module: str) -> int:
    stem = room(module)
    for known, number in FLOORS.items():
        if stem == known or stem.startswith(known + "_"):
            return number
    raise AssertionError(f"{module} has no floor: give {stem} one in FLOORS and a room in ARCHITECTURE.md")


def test_imports_go_downward(root: Path) -> None:
    wrong = []
    known = {name_of(root, p) for p in modules(root)}
    for path in modules(root):
        here = name_of(root, path)
        if here == PACKAGE:
            continue
        ours = [there for there in imports(path, known) if there.startswith(PACKAGE + ".")]
        wrong += [f"{here} imports {there}" for there in ours if floor(there) > floor(here)]
    assert not wrong


def test_no_import_circles(root: Path) -> None:
    known = {name_of(root, p): p for p in modules(root)}
    graph = {
        here: {t for t in imports(path, known) if t in known and t not in (here, PACKAGE)}
        for here, path in known.items()
        if here != PACKAGE
    }
    state: dict[str, int] = {}

    def visit(node: str, trail: tuple[str, ...]) -> None:
        if state.get(node) == 1:
            pytest.fail("circle: " + " -> ".join([*trail[trail.index(node) :], node]))
        if state.get(node) == 2:
            return
        state[node] = 1
        for following in sorted(graph.get(node, ())):
            visit(following, (*trail, node))
        state[node] = 2

    for node in sorted(graph):
        visit(node, ())


def test_igraph_is_imported_in_one_module(root: Path) -> None:
    users = [name_of(root, p) for p in modules(root) if any(i.split(".")[0] == "igraph" for i in imports(p, ()))]
    assert users == [f"{PACKAGE}.network"]


def test_every_module_has_a_floor_and_a_docstring(root: Path) -> None:
    for path in modules(root):
        here = name_of(root, path)
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{here} does not say what it is"
        if here != PACKAGE:
            floor(here)


def test_architecture_names_every_room(root: Path) -> None:
    text = (root / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = {room(name_of(root, p)) for p in modules(root)} - {""}
    assert not [r for r in sorted(rooms) if r not in text]


def test_the_face_is_lazy_and_whole() -> None:
    import weaponized_interdependence as wi

    for name in wi.__all__:
        assert getattr(wi, name) is not None


def tracked(root: Path) -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return [root / name for name in listing.stdout.split("\0") if name and (root / name).exists()]


def test_no_tracked_file_names_a_package_index_or_a_machine(root: Path) -> None:
    # Spelled in pieces so that this file does not find itself.
    index = re.compile(
        "|".join(["py" + r"pi\.org", "python" + "hosted", "npm" + r"js\.(org|com)", r"index-url\s*=?\s*http"])
    )
    machine = re.compile(r"(?<![\w.])/(?:" + "|".join(["wo" + "rk", "fa" + "rm", "ro" + "ot"]) + r")/\w")
    wrong = []
    for path in tracked(root):
        if path.suffix in {".parquet", ".gz", ".png", ".xlsx", ".arrow"}:
            continue
        text = path.read_text(encoding="utf-8")
        if index.search(text) or machine.search(text):
            wrong.append(str(path.relative_to(root)))
    assert not wrong


def test_no_file_of_the_test_data_is_tracked(root: Path, shared_data: Path) -> None:
    from hashlib import sha256

    sums = {
        line.split()[0]
        for line in (shared_data / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
        if line.strip()
    }
    assert not [p for p in tracked(root) if sha256(p.read_bytes()).hexdigest() in sums]
