"""A filter as the conditions of its parts, for a form, and back."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.asked import Asked, Level, analysis_of
from app.companies import Company
from app.problems import Problem, diagnosed
from dsl import FilterError
from dsl.ast import Condition
from dsl.conditions import conditions, filter_of
from dsl.formatter import format_filter
from dsl.parser import parse
from dsl.parts import Misplaced, Part

Document = dict[str, Any]


class InParts(BaseModel):
    """A filter to be told apart, or the conditions of parts to be put together."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    filter: str | None = Field(None, examples=["invoice.balance > 1000 AND customer.rating = 'D'"])
    parts: Mapping[Part, list[str]] | None = Field(None, examples=[{"invoices": ["balance > 1000", "is_open"]}])
    level: Level = "customer"

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.filter is None) == (self.parts is None):
            raise PydanticCustomError("filter_or_parts", "the request has either a filter or parts")
        return self


def in_parts(asked: InParts, company: Company) -> Document:
    """Raises `FilterError` for a filter that is wrong."""
    if asked.filter is not None:
        return _told_apart(asked.filter, asked.level, company)
    return {"filter": _put_together(asked.parts or {})}


def _told_apart(text: str, level: Level, company: Company) -> Document:
    analysis = analysis_of(Asked(filter=text, level=level, match_all=True), company.catalog)
    found: Mapping[Part, Any] | None = {} if analysis.tree is None else conditions(analysis.tree, level)
    return {"filter": analysis.canonical, "whole": found is None, "parts": found or {}}


def _put_together(parts: Mapping[Part, list[str]]) -> str:
    """Each condition is read by itself, so that none can change what is beside it."""
    read = {part: [_read(part, number, text) for number, text in enumerate(texts)] for part, texts in parts.items()}
    try:
        tree = filter_of(read)
    except Misplaced as misplaced:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-parts", str(misplaced)) from misplaced
    return "" if tree is None else format_filter(tree)


def _read(part: Part, number: int, text: str) -> Condition:
    try:
        return parse(text)
    except FilterError as wrong:
        errors = [diagnosed(text, found) | {"part": part, "condition": number} for found in wrong.diagnostics]
        detail = f"Condition {number + 1} of the part about {part} is wrong."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-filter", detail, errors=errors) from wrong
