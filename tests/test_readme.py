"""What the README states in numbers stands in the page that a test measures, and its links lead somewhere."""

import re
from pathlib import Path

import pytest


def row(text: str, start: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {start}"))
    return re.findall(r"\d+\.\d+%?", line.removeprefix(f"| {start}"))


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("all sections together", "All goods |"),
        ("best section (machinery, SITC 7)", "SITC:7"),
        ("fuels (SITC 3)", "SITC:3"),
        ("without gravity, totals only", "All goods, margins only"),
    ],
)
def test_closeness_is_what_the_sample_page_says(root: Path, here: str, there: str) -> None:
    readme, page = ((root / name).read_text(encoding="utf-8") for name in ("README.md", "docs/sample.md"))
    assert row(readme, here) == row(page, there)[:5]


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "data/scenarios/README.md", "docs/scenarios.md"])
def test_links_lead_to_files(root: Path, page: str) -> None:
    text = (root / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert not [link for link in links if not ((root / page).parent / link).exists()]


def test_the_commands_of_the_readme_are_targets(root: Path) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^    make (\S+)", (root / "README.md").read_text(encoding="utf-8"), flags=re.M):
        assert re.search(rf"^{target}:", makefile, flags=re.M)
