"""Cursors of pages: opaque, and signed together with the question they belong to."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus

import orjson

from app.asked import Asking, Paged
from app.problems import Problem
from dsl.compiler import Seen

_SIGNATURE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Place:
    """How far one is: the day the first page was of, and the last row seen of each list that goes on."""

    as_of: date
    after: Mapping[str, Seen]


class Cursors:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, place: Place, asked: Paged, asking: Asking, what: str) -> str:
        content = orjson.dumps([place.as_of, place.after])
        return urlsafe_b64encode(self._signature(content, asked, asking, what) + content).decode().rstrip("=")

    def read(self, cursor: str, asked: Paged, asking: Asking, what: str) -> Place:
        """The day of the cursor is that of the whole answer, also after midnight."""
        signed = _decoded(cursor)
        signature, content = signed[:_SIGNATURE_BYTES], signed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(content, asked, asking, what)):
            raise _bad_cursor()
        day, after = orjson.loads(content)
        place = Place(date.fromisoformat(day), {kind: Seen(**seen) for kind, seen in after.items()})
        if asked.as_of not in (None, place.as_of):
            raise _bad_cursor()
        return place

    def _signature(self, content: bytes, asked: Paged, asking: Asking, what: str) -> bytes:
        company, canonical = asking.company.company_id, asking.analysis.canonical
        belongs_to = [
            company,
            asked.level,
            canonical,
            asked.params,
            asked.respect_pauses,
            asked.order and asked.order.model_dump(),
            what,
        ]
        question = orjson.dumps(belongs_to, default=str, option=orjson.OPT_SORT_KEYS)
        return hmac.digest(self._key, question + b"\0" + content, "sha256")[:_SIGNATURE_BYTES]


def _decoded(cursor: str) -> bytes:
    try:
        return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError as error:
        raise _bad_cursor() from error


def _bad_cursor() -> Problem:
    detail = "This cursor does not belong to this question; begin again without one."
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-cursor", detail)
