"""The page for people: static files, and on this machine alone the key that opens the sample ledger."""

from html import escape
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.staticfiles import StaticFiles
from starlette.responses import HTMLResponse

from app.settings import is_loopback

STATIC = Path(__file__).with_name("static")

# Nothing from elsewhere, no script or style in the page itself.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def router() -> APIRouter:
    pages = APIRouter(include_in_schema=False)
    pages.add_api_route("/", _index, methods=["GET"])
    pages.mount("/static", StaticFiles(directory=STATIC))
    return pages


def _index(request: Request) -> HTMLResponse:
    key = request.app.state.page_key if _is_local(request) else None
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    return HTMLResponse(page.replace("{{key}}", escape(key or "")), headers=_HEADERS)


def _is_local(request: Request) -> bool:
    """Another site's name may be made to point here, and a proxy may speak for others: neither gets the key."""
    return is_loopback(request.url.hostname or "") and not any(name in request.headers for name in _FORWARDED)
