"""Every command the README shows in a console block is run, in its order, in an empty folder."""

import re
import shlex
from pathlib import Path

import pytest
from cli_support import good


def shown_commands(root: Path) -> list[str]:
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```", text, flags=re.M | re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ wi ")]


def test_console_blocks_of_the_readme(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (root / "README.md").exists():
        pytest.skip("no README.md in this tree")
    commands = shown_commands(root)
    assert len(commands) >= 5, "the README shows how it is used"
    monkeypatch.chdir(tmp_path)
    for command in commands:
        good(*shlex.split(command)[1:])
