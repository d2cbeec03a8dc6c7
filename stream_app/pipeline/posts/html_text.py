"""The HTML of the fediverse as plain text."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

_BLOCKS = frozenset({"p", "div", "li", "blockquote", "pre", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6"})
_TAG = re.compile(r'<(/?)(?!script|style|textarea|title)([A-Za-z][A-Za-z0-9]*)((?:\s+[\w:-]+="[^"<>]*")*)\s*/?>')
_CLASS = re.compile(r'\sclass="([^"]*)"', re.IGNORECASE)
_EMPTY = frozenset({"br", "img", "hr", "wbr", "input"})


class HtmlText(HTMLParser):
    """The plain text of a status's HTML, and how many links it has that are neither mentions nor hashtags.

    ``quotes`` is whether it names a quoted post for servers that know no quotes, which is not the author's text.
    """

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links, self.quotes = 0, False
        self._skipping: list[str] = []
        self._parts: list[str] = []
        if not self._plainly(content):
            self.feed(content)
            self.close()
        self.text = "".join(self._parts).strip()

    def _plainly(self, content: str) -> bool:
        """Read what has nothing but tags and text, as servers' sanitisers leave it, at a third of the parser's time.

        False, with nothing read, where there is more: a comment, a sign of its own, a quoted one.
        """
        pieces = _TAG.split(content)
        if any("<" in text for text in pieces[::4]):
            return False
        self.handle_data(unescape(pieces[0]))
        for at in range(1, len(pieces), 4):
            name = pieces[at + 1].lower()
            if pieces[at]:
                self.handle_endtag(name)
            else:
                found = _CLASS.search(pieces[at + 2])
                self.handle_starttag(name, [("class", unescape(found[1]))] if found else [])
            if pieces[at + 3]:
                self.handle_data(unescape(pieces[at + 3]))
        return True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line, count a link, or begin to skip a quote."""
        classes = (dict(attrs).get("class") or "").split()
        if self._skipping or "quote-inline" in classes:
            self.quotes = True
            if tag not in _EMPTY:
                self._skipping.append(tag)
        elif tag == "br":
            self._parts.append("\n")
        elif tag == "a":
            self.links += not {"mention", "hashtag"} & set(classes)

    def handle_endtag(self, tag: str) -> None:
        """End a block or a quote."""
        if tag in self._skipping:
            while self._skipping.pop() != tag:
                pass
        elif tag in _BLOCKS and not self._skipping:
            self._parts.append("\n\n" if tag == "p" else "\n")

    def handle_data(self, data: str) -> None:
        """Keep text."""
        if not self._skipping:
            self._parts.append(data)
