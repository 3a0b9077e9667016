"""Every page of the documentation is in the site, is complete, and what is in it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mixpanel_data
from mixpanel_data import exceptions
from tests.project.pages import DOCS, EXTRAS, ROOT, blocks_of, run_page

PAGES = sorted(DOCS.glob("*.md"))
LLMS = DOCS / "llms.txt"


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES, LLMS], ids=lambda page: page.name)
def test_the_examples_of_the_pages_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All Python and console blocks of a page run one after the other."""
    monkeypatch.chdir(tmp_path)
    for example in (ROOT / "examples").glob("*.json*"):
        (tmp_path / example.name).write_bytes(example.read_bytes())
    run_page(page, tmp_path)


@pytest.mark.parametrize("page", [*PAGES, LLMS], ids=lambda page: page.name)
def test_every_block_of_a_page_says_what_it_is(page: Path) -> None:
    """``text`` is what no test can run; SQL and shell commands are in blocks that run.

    ``py`` needs a lake: tests/lake runs it.
    """
    languages = {block.language for block in blocks_of(page)} - {"py"}
    assert languages <= {"python", "console", "text", "json", "ini"}


def test_the_readme_has_examples() -> None:
    assert "```python" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_page_is_in_the_navigation_once() -> None:
    site = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    assert sorted(re.findall(r'"([\w-]+\.md)"', site)) == [page.name for page in PAGES]


def test_every_public_name_is_in_the_reference() -> None:
    described = set(
        re.findall(r"^::: mixpanel_data\.(\w+)$", text_of("reference.md"), re.MULTILINE)
    )
    assert described == set(mixpanel_data.__all__)


def test_every_error_is_on_its_page_with_what_to_do() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|(.*)\|$", text_of("errors.md"), re.MULTILINE)
    errors = [name for name, value in vars(exceptions).items() if is_error(value)]
    assert sorted(name for name, _, _ in rows) == sorted(errors)
    assert all(happened.strip() and to_do.strip() for _, happened, to_do in rows)


def is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, exceptions.MixpanelDataError)


def test_every_extra_for_users_is_told_where_platforms_are() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", text_of("platforms.md"), re.MULTILINE))
    assert named == EXTRAS - {"bench", "clients", "dev", "docs", "examples", "test"}


def test_the_page_for_agents_is_short() -> None:
    assert len(LLMS.read_text(encoding="utf-8").split()) < 2_000


def test_the_page_for_agents_names_every_method_and_function() -> None:
    text = LLMS.read_text(encoding="utf-8")
    methods = {
        name
        for owner in (mixpanel_data.StorageEngine, mixpanel_data.migrate)
        for name, value in vars_of(owner).items()
        if not name.startswith("_") and callable(value)
    }
    assert {name for name in methods if not re.search(rf"\b{name}\b", text)} == set()


def test_the_page_for_agents_has_every_public_name() -> None:
    named = set(re.findall(r"\w+", LLMS.read_text(encoding="utf-8")))
    assert set(mixpanel_data.__all__) - named == set()


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "examples" / "README.md"], ids=lambda page: page.name
)
def test_every_example_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`examples/([\w./]+)`", text)
    if page.parent.name == "examples":
        named = re.findall(r"^\| `([\w./]+)` \|", text, re.MULTILINE)
    assert [name for name in named if not (ROOT / "examples" / name).exists()] == []


def vars_of(owner: object) -> dict[str, object]:
    if isinstance(owner, type):
        return {name: getattr(owner, name) for name in dir(owner)}
    own = getattr(owner, "__name__", "")
    return {
        name: value
        for name, value in vars(owner).items()
        if getattr(value, "__module__", "") == own
    }
