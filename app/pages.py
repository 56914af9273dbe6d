"""The pages for people: the filter page, with the key of this machine's ledger where it may have it, and the calls."""

import gzip
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from html import escape
from os import PathLike, stat_result
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

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
# Of a part of the script; the build puts a hash of its contents into its name.
_BUILT_NAME = re.compile(r"page-\w+-[0-9A-Z]{8}\.js$")
_HOST = re.compile(r"(?P<name>[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.IGNORECASE)
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def router() -> APIRouter:
    pages = APIRouter(include_in_schema=False)
    pages.add_api_route("/", _index, methods=["GET"])
    pages.add_api_route("/docs", _calls, methods=["GET"])
    pages.add_api_route("/openapi.json", _openapi, methods=["GET", "HEAD"])
    pages.mount("/static", _Files(directory=STATIC))
    for path in STATIC.iterdir():
        _packed(path, path.stat().st_mtime)  # so that nobody waits for it
    return pages


@dataclass(frozen=True, slots=True)
class _Packed:
    digest: str
    gzipped: bytes


@lru_cache(maxsize=32)
def _packed(path: Path, changed: float) -> _Packed:
    """Of a file as it was at that time."""
    contents = path.read_bytes()
    return _Packed(sha256(contents).hexdigest()[:16], gzip.compress(contents, mtime=changed))


class _Files(StaticFiles):
    """What is named with its digest is kept for good: a newer service's page names another. Without, it is asked for
    anew each time."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        packed = _packed(Path(full_path), stat_result.st_mtime)
        takes = Headers(scope=scope).get("Accept-Encoding", "")
        if response.status_code == 200 and scope["method"] == "GET" and "gzip" in takes:
            about = {"ETag": response.headers["ETag"], "Content-Encoding": "gzip"}
            response = Response(packed.gzipped, headers=about, media_type=response.media_type)
        named = scope["query_string"] == packed.digest.encode() or _BUILT_NAME.search(str(full_path))
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if named else "no-cache"
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def _named(static: re.Match[str]) -> str:
    path = STATIC / static[1]
    return f"{static[0]}?{_packed(path, path.stat().st_mtime).digest}"


def _page(name: str, marks: Mapping[str, str]) -> HTMLResponse:
    """`marks`: HTML in the place of `{{mark}}`."""
    page = re.sub(r"/static/([a-z.]+)", _named, (STATIC / name).read_text(encoding="utf-8"))
    nonce = secrets.token_urlsafe(16)
    for mark, text in {"nonce": nonce, **marks}.items():
        page = page.replace(f"{{{{{mark}}}}}", text)
    return HTMLResponse(page, headers=_HEADERS | {"Content-Security-Policy": _POLICY.format(nonce=nonce)})


def _index(request: Request) -> HTMLResponse:
    key = request.app.state.page_key if _is_local(request) else None
    return _page("index.html", {"key": escape(key or ""), "preloads": _preloads()})


def _preloads() -> str:
    """What the script needs before it can begin, so that it is not found out about only by reading it."""
    needed = sorted(path.name for path in STATIC.glob("page-chunk-*.js"))
    return "\n".join(f'  <link rel="modulepreload" href="/static/{name}">' for name in needed)


def _is_local(request: Request) -> bool:
    """Another site's name may be made to point here, and a proxy may speak for others: neither gets the key."""
    hosts = [_HOST.fullmatch(host) for host in request.headers.getlist("host")]
    is_named_so = len(hosts) == 1 and hosts[0] is not None and is_loopback(hosts[0]["name"].strip("[]"))
    return is_named_so and not any(name in request.headers for name in _FORWARDED)


# ---------------------------------------------------------------- the calls, as OpenAPI has them


def _openapi(request: Request) -> Response:
    """Unlike FastAPI's own, in a thread: to make it takes 0.3 s, and other answers need not wait."""
    return Response(orjson.dumps(request.app.openapi()), media_type="application/json")


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
