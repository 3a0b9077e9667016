"""Make sure that a built site is whole and asks no other server for anything.

    python -m tests.docs_site.check site

Checked are all pages: what they load is in the site, and no link within it leads nowhere.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Attributes whose address a browser fetches by itself, by tag. Of links, only some.
_LOADED = {"audio": "src", "iframe": "src", "img": "src", "script": "src", "source": "src"}
_LOADED_LINKS = {"icon", "manifest", "modulepreload", "preconnect", "preload", "stylesheet"}

#: Addresses in style sheets.
_IN_CSS = re.compile(r"""(?:@import\s*|url\(\s*)["']?((?:https?:)?//[^"')\s]+)""")


class _Page(HTMLParser):
    """Collects what a page loads, where it links to, and its anchors."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: set[str] = set()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take one tag."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag in _LOADED and _LOADED[tag] in given:
            self.loaded.add(given[_LOADED[tag]])
        elif tag == "link" and _LOADED_LINKS & set(given.get("rel", "").split()):
            self.loaded.add(given.get("href", ""))
        elif tag == "a" and "href" in given:
            self.links.add(given["href"])


def problems(site: Path) -> list[str]:
    """Return a sentence for each thing that is wrong."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    if not pages:
        return [f"{site} has no pages."]
    found = []
    for path, page in sorted(pages.items()):
        name = path.relative_to(site)
        for address in sorted(page.loaded):
            if urlsplit(address).netloc:
                found.append(f"{name} loads {address}.")
            elif not address.startswith("data:") and not _target(site, path, address).exists():
                found.append(f"{name} loads {address}, which is not there.")
        if path.name != "404.html":  # its links begin at the root of a server
            found += [f"{name} links to {link}: not there." for link in _broken(site, path, pages)]
    for sheet in sorted(site.rglob("*.css")):
        addresses = _IN_CSS.findall(sheet.read_text(encoding="utf-8"))
        found += [f"{sheet.relative_to(site)} loads {address}." for address in addresses]
    return found


def _broken(site: Path, path: Path, pages: dict[Path, _Page]) -> list[str]:
    broken = []
    for link in sorted(pages[path].links):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = _target(site, path, link)
        anchors = pages[target].anchors if target in pages else set()
        is_page = target in pages
        if not target.exists() or (is_page and parts.fragment and parts.fragment not in anchors):
            broken.append(link)
    return broken


def _target(site: Path, path: Path, address: str) -> Path:
    """Return the file that an address of a page names."""
    name = unquote(urlsplit(address).path)
    if not name:
        return path
    target = (site / name.lstrip("/") if name.startswith("/") else path.parent / name).resolve()
    return target / "index.html" if target.is_dir() else target


def main() -> int:
    """Print what is wrong with the site that the command line names."""
    found = problems(Path(sys.argv[1]).resolve())
    print(*found or ["Nothing is loaded from elsewhere, and no link leads nowhere."], sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
