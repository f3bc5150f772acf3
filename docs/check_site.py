"""Check a built site: every link inside of it exists, anchors included, and all it loads is local.

Sphinx warns about links between pages. This also checks what it writes by itself, such as the
navigation and the index, and that a browser asks no other server for scripts, styles or pictures.

    python docs/check_site.py .site
"""

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")}


class Page(HTMLParser):
    """The links and the anchors of one page.

    Attributes:
        links: What the page links to.
        loads: What a browser loads with the page.
        anchors: What a link can point to.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note links and anchors."""
        for name, value in attrs:
            if value is None:
                continue
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif tag == "a" and name == "href":
                self.links.append(value)
            elif (tag, name) in LOADED:
                self.loads.append(value)


def problems_of(site: Path) -> Iterator[str]:
    """Yield what is wrong, one line for each."""
    pages = {file: Page(file) for file in site.resolve().rglob("*.html")}
    if not pages:
        yield f"{site} has no pages"
    for file, page in pages.items():
        name = file.relative_to(site.resolve())
        for link in [*page.links, *page.loads]:
            if not _exists(link, file, pages):
                yield f"{name}: there is no {link}"
        yield from (
            f"{name}: loads {it} from elsewhere" for it in page.loads if urlsplit(it).netloc
        )
    for style in site.rglob("*.css"):
        if any(
            word in style.read_text("utf-8") for word in ("url(http", "url(//", '@import "http')
        ):
            yield f"{style.relative_to(site)}: loads something from elsewhere"


def _exists(link: str, file: Path, pages: dict[Path, Page]) -> bool:
    """Whether a link leads to another site, or to a file and an anchor of this one."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if not parts.fragment or target not in pages:
        return target.exists()
    return unquote(parts.fragment) in pages[target].anchors


def main() -> int:
    """Print the problems; the status is 1 if there are any."""
    problems = sorted(set(problems_of(Path(sys.argv[1]))))
    print("\n".join(problems) or "every link exists, and nothing is loaded from elsewhere")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
