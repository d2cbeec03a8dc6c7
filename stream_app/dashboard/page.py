"""The page in the languages it speaks: ``static/index.html`` filled from ``static/locale/*.json``.

Which one is asked for in the address (``?lang=uk``), else by the browser (Accept-Language, RFC 9110 section 12.5.4).
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web

STATIC = Path(__file__).parent / "static"
LANGUAGES = ("en", "es", "uk", "fr", "ar")
"""As the menu lists them; the first is the one for who asks for none of them."""
_RIGHT_TO_LEFT = frozenset({"ar"})
_PLACEHOLDER = re.compile(r"\{\{([\w.]+)\}\}")


@cache
def catalogue(language: str) -> Mapping[str, Any]:
    """All that the page says in ``language``: a text for each key, or for each plural category of CLDR."""
    found: dict[str, Any] = json.loads((STATIC / "locale" / f"{language}.json").read_text("utf-8"))
    return found


@cache
def page(language: str, notice: str = "") -> str:
    """The page in ``language``, with its catalogue for the scripts; ``notice`` is plain text to stand above all."""
    words = catalogue(language)
    inert = json.dumps(words, ensure_ascii=False).replace("<", "\\u003c")
    fixed = {
        "lang": language,
        "dir": "rtl" if language in _RIGHT_TO_LEFT else "ltr",
        "catalogue": inert,
        "notice": f'<p class="notice" role="note" dir="auto">{html.escape(notice)}</p>' if notice else "",
        "languages": "".join(_option(each, chosen=each == language) for each in LANGUAGES),
    }

    def filled(found: re.Match[str]) -> str:
        key = found[1]
        return fixed[key] if key in fixed else html.escape(words[key])

    return _PLACEHOLDER.sub(filled, (STATIC / "index.html").read_text("utf-8"))


def _option(language: str, *, chosen: bool) -> str:
    name = html.escape(catalogue(language)["language"])
    return f'<option value="{language}" lang="{language}"{" selected" if chosen else ""}>{name}</option>'


def language_of(asked: str | None, accepted: str) -> str:
    """The language for who asks for ``asked`` in the address and sends ``accepted`` as Accept-Language."""
    if asked in LANGUAGES:
        return asked
    ranked = sorted((_ranged(part) for part in accepted.split(",")), reverse=True, key=lambda each: each[0])
    return next((name for weight, name in ranked if weight > 0 and name in LANGUAGES), LANGUAGES[0])


def _ranged(part: str) -> tuple[float, str]:
    """The weight and primary subtag of one language range: ``es-MX;q=0.8`` is (0.8, "es")."""
    tag, _, weight = part.partition(";")
    value = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", weight) if weight else None
    return (float(value[1]) if value else 0.0 if weight else 1.0), tag.strip().lower().partition("-")[0]


async def answer(request: web.Request, notice: str = "") -> web.Response:
    """The page, in the language of who asks."""
    language = language_of(request.query.get("lang"), request.headers.get("Accept-Language", ""))
    headers = {"Content-Language": language, "Vary": "Accept-Language"}
    return web.Response(text=page(language, notice), content_type="text/html", headers=headers)
