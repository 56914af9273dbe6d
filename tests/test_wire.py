"""What arrives at a real socket, as `duelist serve` opens it: odd and hostile headers, bodies that are slow, endless or
lie about their length. The server stays well, and answers with a problem or ends the connection."""

import asyncio
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from fastapi import FastAPI

from app import auth, receiving
from app.database import Database
from app.main import create_app
from app.routes.exact import _ExactRequest
from app.serving import web_server
from app.settings import Settings
from tests.served import as_service, company_with
from tests.test_mutated_bodies import LEDGER

BODY = b'{"filter": "invoice.balance > 1"}'
BODY_SECONDS = 1.0


@pytest.fixture(scope="module")
def port(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    settings = {"data_dir": tmp_path_factory.mktemp("data"), "worker": False, "body_timeout_seconds": BODY_SECONDS}
    server = web_server(
        create_app(Settings.model_validate(settings), as_service(database_url), page_key="key-of-the-page")
    )
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.MonkeyPatch.context() as patch:
        patch.setattr(receiving, "HEAD_SECONDS", 1.0)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield int(listener.getsockname()[1])
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def key(database: Database, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    company = company_with(database, "Wire", tmp_path_factory.mktemp("files"), LEDGER)
    return auth.create_key(database, company, "admin").encode()


@pytest.fixture(autouse=True)
def _is_well_afterwards(port: int) -> Iterator[None]:
    yield
    assert b" 200 OK\r\n" in exchanged(port, b"GET /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        yield connection


def exchanged(port: int, sent: bytes) -> bytes:
    """All that comes back until the server ends the connection."""
    with connected(port) as connection:
        connection.sendall(sent)
        return received(connection)


def received(connection: socket.socket) -> bytes:
    found = b""
    with suppress(ConnectionError):  # reset: what came before is there
        while piece := connection.recv(65536):
            found += piece
    return found


def post(key: bytes, *headers: bytes, body: bytes = BODY, path: bytes = b"/v1/preview", length: bool = True) -> bytes:
    """A right request, with more headers."""
    lines = [b"POST %s HTTP/1.1" % path, b"Host: 127.0.0.1", b"Connection: close", b"Authorization: Bearer " + key]
    lines += [b"Content-Length: %d" % len(body)] if length else []
    return b"\r\n".join([*lines, b"Content-Type: application/json", *headers, b"", body])


def status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    assert found, answer[:200]
    return int(found[1])


HEADERS: dict[str, tuple[bytes, ...]] = {
    "a second authorization": (b"Authorization: Bearer duelist_1_x",),
    "a second content type": (b"Content-Type: text/plain",),
    "a request id of 10k": (b"X-Request-Id: " + b"x" * 10_000,),
    "a request id with a line end": (b"X-Request-Id: a%0d%0aSet-Cookie: x=1",),
    "a header beyond ASCII": (b"X-Name: \xff\xfe\xed\xa0\x80",),
    "etags": (b'If-Match: *, "1", W/"2", \xff', b"If-None-Match: *"),
    "an empty etag": (b"If-Match:",),
    "a long idempotency key": (b"Idempotency-Key: " + b"k" * 10_000,),
    "accept": (b"Accept: application/xml;q=9e9, */*;q=nan", b"Accept-Encoding: identity;q=0, *;q=0"),
    "a range": (b"Range: bytes=99999999999999999999-,-1",),
    "another host": (b"Host: duelist.example:99999",),
    "a host that is forwarded": (b"X-Forwarded-Host: [::1", b"X-Forwarded-For: 1.2.3.4", b"Forwarded: for=\x22"),
    "another method": (b"X-HTTP-Method-Override: DELETE", b"X-Method-Override: DELETE"),
    "an upgrade": (
        b"Connection: upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Key: x",
        b"Sec-WebSocket-Version: 13",
    ),
    "another protocol": (b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"),
    "an expectation": (b"Expect: 100-continue",),
    "an odd expectation": (b"Expect: 200-ok",),
    "cookies": (b"Cookie: " + b"a=b; " * 2_000,),
    "three hundred headers": tuple(b"X-%d: %d" % (number, number) for number in range(300)),
    "an encoding": (b"Content-Encoding: gzip",),
    "a trailer": (b"Trailer: Authorization", b"TE: trailers"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_an_odd_header_changes_nothing_or_is_refused(port: int, key: bytes, case: str) -> None:
    answer = exchanged(port, post(key, *HEADERS[case]))
    assert status(answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")) in (200, 401, 415, 422)
    assert b"Set-Cookie" not in answer


RAW: dict[str, bytes] = {
    "no host": b"GET /live HTTP/1.1\r\nConnection: close\r\n\r\n",
    "http 1.0": b"GET /live HTTP/1.0\r\n\r\n",
    "http 0.9": b"GET /live\r\n\r\n",
    "http 9": b"GET /live HTTP/9.9\r\n\r\n",
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
    "http 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a bare line feed": b"GET /live HTTP/1.1\nHost: x\nConnection: close\n\n",
    "a NUL in a header": b"GET /live HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\0b\r\n\r\n",
    "a line end in a header": b"GET /live HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\rb\r\nConnection: close\r\n\r\n",
    "a folded header": b"GET /live HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n b\r\nConnection: close\r\n\r\n",
    "a space before the colon": b"GET /live HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\n",
    "no method": b" /live HTTP/1.1\r\nHost: x\r\n\r\n",
    "an unknown method": b"BREW /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "connect": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "trace": b"TRACE /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a whole address": b"GET http://elsewhere.example/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "an address beyond ASCII": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "an address with a NUL": b"GET /v1/customers/%00%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a way up": b"GET /static/../../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a way up in disguise": b"GET /static/..%2f..%2fapp%2fmain.py HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a static file by websocket": b"GET /static/app.js HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "a broken host": b"GET / HTTP/1.1\r\nHost: [::1\r\nConnection: close\r\n\r\n",
    "a host beyond ASCII": b"GET / HTTP/1.1\r\nHost: \xff\xfe:x\r\nConnection: close\r\n\r\n",
    "a host with a way": b"GET / HTTP/1.1\r\nHost: a/b?c#d@e:1:2\r\nConnection: close\r\n\r\n",
    "a host with a port that is none": b"GET /docs HTTP/1.1\r\nHost: 127.0.0.1:99999999\r\nConnection: close\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: elsewhere.example\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    "two lengths": b"POST /v1/preview HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}   ",
    "a negative length": b"POST /v1/preview HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "a huge length": b"POST /v1/preview HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "a length and chunks": b"POST /v1/preview HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /live HTTP/1.1\r\nHost: x\r\n\r\n",
    "odd chunks": b"POST /v1/preview HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
    "an unknown encoding": b"POST /v1/preview HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n{}",
    "a long address": b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("case", RAW)
def test_no_odd_request_is_our_fault(port: int, case: str) -> None:
    answer = exchanged(port, RAW[case])
    assert status(answer) < 500
    for inside in (b"Traceback", b"root:", b"import ", b"key-of-the-page"):
        assert inside not in answer


# ---------------------------------------------------------------- bodies


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def test_chunks_are_one_body(port: int, key: bytes) -> None:
    body = chunked(*(BODY[at : at + 1] for at in range(len(BODY)))) + chunked(b"")
    assert status(exchanged(port, post(key, b"Transfer-Encoding: chunked", body=body, length=False))) == 200


def test_a_body_that_is_shorter_than_it_says_is_waited_for_no_longer_than_is_allowed(port: int, key: bytes) -> None:
    answer = exchanged(port, post(key, b"Content-Length: 500", length=False))
    assert status(answer) == 408
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "urn:duelist:problem:too-slow-body"


def test_a_body_that_is_longer_than_it_says_is_no_request_of_its_own(port: int, key: bytes) -> None:
    sent = post(key, b"Content-Length: %d" % len(BODY), body=BODY + b"GET /v1/workflows HTTP/1.1\r\n\r\n", length=False)
    assert exchanged(port, sent).count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("whole", [True, False], ids=["with its length", "in chunks"])
def test_a_slow_body_is_cut(port: int, key: bytes, whole: bool) -> None:
    """A byte now and then: each is in time, all of them are not."""
    head = b"Content-Length: 100000" if whole else b"Transfer-Encoding: chunked"
    with connected(port) as connection:
        connection.sendall(post(key, head, body=b"", length=False))
        began = time.monotonic()
        connection.settimeout(0.1)
        answer = b""
        while not answer and time.monotonic() - began < 15:
            connection.sendall(b" " if whole else chunked(b" "))
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                continue
    assert status(answer) == 408
    assert b"too-slow-body" in answer


@pytest.mark.parametrize("whole", [True, False], ids=["with its length", "in chunks"])
def test_ten_megabytes_are_refused_and_not_kept(port: int, key: bytes, whole: bool) -> None:
    """The server stops reading long before the end: what is sent after that finds nobody."""
    head = b"Content-Length: 10000000" if whole else b"Transfer-Encoding: chunked"
    piece = b" " * 100_000 if whole else chunked(b" " * 100_000)
    with connected(port) as connection:
        connection.sendall(post(key, head, body=b"", length=False))
        with suppress(ConnectionError):
            for _ in range(100):
                connection.sendall(piece)
        answer = received(connection)
    # Where the rest was still on its way, the connection is reset, and the answer may be lost with it.
    assert not answer or status(answer) == 413


def test_a_large_body_is_read_beside_the_others() -> None:
    app = FastAPI()
    app.state.settings = Settings()
    body = b"[" + b",".join([b"0.1"] * 249_999) + b"]"

    async def given() -> dict[str, object]:
        return {"type": "http.request", "body": body}

    async def turns_of_others() -> int:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        request = _ExactRequest({"type": "http", "app": app}, given)
        await request.body()
        asking = asyncio.create_task(others())
        assert len(await request.json()) == 249_999
        asking.cancel()
        return turns

    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 10)  # so that quick machines take turns too
    try:
        assert asyncio.run(turns_of_others()) >= 20
    finally:
        sys.setswitchinterval(usual)


def test_a_refused_body_ends_the_connection(port: int, key: bytes) -> None:
    kept = post(key, b"Content-Length: 10000000", body=b" " * 1_000_001, length=False).replace(
        b"Connection: close\r\n", b""
    )
    answer = exchanged(port, kept)
    assert status(answer) == 413
    assert b"too-large" in answer


# ---------------------------------------------------------------- heads


def test_a_flood_of_headers_is_cut(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"GET /live HTTP/1.1\r\nHost: x\r\n")
        sent = 0
        with suppress(ConnectionError):
            while sent < 20_000_000:
                connection.sendall(b"X-Flood: " + b"x" * 4_000 + b"\r\n")
                sent += 4_000
        answer = received(connection)
    assert sent < 20_000_000, "the server went on reading"
    assert not answer or status(answer) == 431


def test_a_header_without_end_is_cut(port: int) -> None:
    answer = exchanged(port, b"GET /live HTTP/1.1\r\nX-Endless: " + b"x" * (receiving.LARGEST_HEAD + 300_000))
    assert not answer or status(answer) == 431


@pytest.mark.parametrize("first", [b"", b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["the first", "the second"])
def test_a_slow_head_is_cut(port: int, first: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(first + b"GET /live HTTP/1.1\r\nX-Slow: ")
        began = time.monotonic()
        connection.settimeout(0.1)
        answer = b""
        while b" 408 " not in answer and time.monotonic() - began < 15:
            connection.sendall(b"x")
            try:
                answer += connection.recv(65536)
            except TimeoutError:
                continue
    assert b"HTTP/1.1 408 Request Timeout" in answer


def test_requests_one_after_the_other_are_answered_each(port: int, key: bytes) -> None:
    """All at once on one connection, a wrong one among them."""
    kept = post(key).replace(b"Connection: close\r\n", b"")
    answer = exchanged(port, kept + kept.replace(b"> 1", b">  ") + kept + post(key))
    assert re.findall(rb"HTTP/1\.1 (\d{3})", answer) == [b"200", b"422", b"200", b"200"]


def test_an_id_of_a_request_cannot_forge_a_header_or_a_line_of_the_log(port: int) -> None:
    for given in (b"a%0d%0ab", b"x" * 10_000, b'","status":200', b"\xff"):
        answer = exchanged(port, b"GET /live HTTP/1.1\r\nX-Request-Id: %s\r\nConnection: close\r\n\r\n" % given)
        assert re.search(rb"x-request-id: [0-9a-f]{32}\r\n", answer)
