"""The check of a built site finds what is loaded from elsewhere, and links that lead nowhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs_site.check import problems
from tests.project.pages import ROOT


def make_site(folder: Path, body: str, head: str = "") -> Path:
    (folder / "index.html").write_text(f"<html><head>{head}</head><body>{body}</body></html>")
    (folder / "other page.html").write_text('<h1 id="title">Other</h1>')
    (folder / "own.css").write_text("body { background: url(own.svg) }")
    return folder


@pytest.mark.parametrize(
    "head",
    [
        '<link rel="stylesheet" href="https://fonts.example/css">',
        '<link rel="preconnect" href="//fonts.example">',
        '<script src="http://cdn.example/a.js"></script>',
    ],
)
def test_what_a_page_loads_from_elsewhere_is_found(tmp_path: Path, head: str) -> None:
    (found,) = problems(make_site(tmp_path, "", head))
    assert found.startswith("index.html loads ")


def test_what_a_style_sheet_loads_from_elsewhere_is_found(tmp_path: Path) -> None:
    make_site(tmp_path, "")
    (tmp_path / "own.css").write_text("@import url('https://fonts.example/css');")
    assert problems(tmp_path) == ["own.css loads https://fonts.example/css."]


@pytest.mark.parametrize("link", ["gone.html", "other%20page.html#gone", "#gone", "folder/"])
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, link: str) -> None:
    site = make_site(tmp_path, f'<a href="{link}">there</a>')
    assert problems(site) == [f"index.html links to {link}: not there."]


def test_a_file_of_the_site_that_is_missing_is_found(tmp_path: Path) -> None:
    site = make_site(tmp_path, '<img src="gone.png">')
    assert problems(site) == ["index.html loads gone.png, which is not there."]


def test_a_site_that_is_whole_has_no_problems(tmp_path: Path) -> None:
    links = ["https://example.com/", "mailto:a@example.com", "other%20page.html#title", "."]
    body = "".join(f'<a href="{link}">there</a>' for link in links)
    head = '<link rel="stylesheet" href="own.css"><link rel="canonical" href="https://example.com">'
    assert problems(make_site(tmp_path, body, head)) == []


def test_a_folder_without_pages_is_no_site(tmp_path: Path) -> None:
    assert len(problems(tmp_path)) == 1


@pytest.mark.slow
def test_a_warning_ends_the_build(tmp_path: Path) -> None:
    """Such as a link to a page that is not there, or a name that the package does not have."""
    pytest.importorskip("zensical")
    for part in ("docs", "src"):
        shutil.copytree(ROOT / part, tmp_path / part)
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    build: list[str | Path] = [Path(sys.executable).with_name("zensical"), "build", "--strict"]
    for added in ("", "\n[there](gone.md)\n", "\n::: mixpanel_data.Gone\n"):
        with (tmp_path / "docs" / "values.md").open("a") as page:
            page.write(added)
        run = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (run.returncode == 0) == (added == ""), run.stdout + run.stderr
        (tmp_path / "docs" / "values.md").write_bytes((ROOT / "docs" / "values.md").read_bytes())
