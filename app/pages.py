"""The pages for people: the filter page, with the key of this machine's ledger where it may have it, and the calls."""

import re
import secrets
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.staticfiles import StaticFiles
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, Response

from app.settings import is_loopback

STATIC = Path(__file__).with_name("static")

# Nothing from elsewhere, no script in the page itself, and no style but that of the editor, which knows the nonce.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# Of a host that is none, the framework makes the address that the request came to.
_HOST = re.compile(r"(?P<name>[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.IGNORECASE)
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def router() -> APIRouter:
    pages = APIRouter(include_in_schema=False)
    pages.add_api_route("/", _index, methods=["GET"])
    pages.add_api_route("/docs", _calls, methods=["GET"])
    pages.mount("/static", GZipMiddleware(_Files(directory=STATIC)))
    return pages


class _Files(StaticFiles):
    """Asked for anew each time, and sent only when they have changed: a newer service has a newer script."""

    def file_response(self, *args: Any, **more: Any) -> Response:
        response = super().file_response(*args, **more)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def _page(name: str, marks: Mapping[str, str]) -> HTMLResponse:
    """`marks`: HTML in the place of `{{mark}}`."""
    page = (STATIC / name).read_text(encoding="utf-8")
    nonce = secrets.token_urlsafe(16)
    for mark, text in {"nonce": nonce, **marks}.items():
        page = page.replace(f"{{{{{mark}}}}}", text)
    return HTMLResponse(page, headers=_HEADERS | {"Content-Security-Policy": _POLICY.format(nonce=nonce)})


def _index(request: Request) -> HTMLResponse:
    key = request.app.state.page_key if _is_local(request) else None
    return _page("index.html", {"key": escape(key or "")})


def _is_local(request: Request) -> bool:
    """Another site's name may be made to point here, and a proxy may speak for others: neither gets the key."""
    hosts = [_HOST.fullmatch(host) for host in request.headers.getlist("host")]
    is_named_so = len(hosts) == 1 and hosts[0] is not None and is_loopback(hosts[0]["name"].strip("[]"))
    return is_named_so and not any(name in request.headers for name in _FORWARDED)


# ---------------------------------------------------------------- the calls, as OpenAPI has them


def _calls(request: Request) -> HTMLResponse:
    return _page("calls.html", {"calls": "\n".join(_sections(request.app.openapi()))})


def _sections(api: dict[str, Any]) -> Iterator[str]:
    for path, methods in api["paths"].items():
        for method, call in methods.items():
            yield f"<h2>{method.upper()} {escape(path)}</h2>\n<p>{escape(call.get('description', ''))}</p>"
            if "requestBody" in call:
                schema = call["requestBody"]["content"]["application/json"]["schema"]
                yield _fields(api["components"]["schemas"][schema["$ref"].rpartition("/")[2]])


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = (
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_type(field))}</td>"
        f"<td>{'required' if name in required else ''}</td><td>{escape(field.get('description', ''))}</td></tr>"
        for name, field in schema["properties"].items()
    )
    return f"<table>{''.join(rows)}</table>"


def _type(field: dict[str, Any]) -> str:
    """Without the null that only says that the field may be absent."""
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    return ", ".join(
        " | ".join(kind.get("enum", [])) or kind.get("format") or kind.get("type", "object") for kind in kinds
    )
