"""What a caller may ask, and the question it comes to: a filter that is accepted, for a company and a day."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from app.companies import Company
from app.observation import observed
from dsl import Analysis, Catalog, analyze, everyone
from dsl.compiler import Question
from dsl.frames import Relations

Level = Literal["customer", "group"]
Kind = Literal["customers", "groups", "invoices", "payments", "credit_notes"]
Value = bool | int | Decimal | str

LARGEST_PAGE = 500


def _day(value: object) -> object:
    """As JSON has it: text, and not a count of seconds."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise PydanticCustomError("bad_day", "the calendar has no such day") from None
    if isinstance(value, date):
        return value
    raise PydanticCustomError("bad_day", "a day is written year-month-day: 2026-01-31")


Day = Annotated[date, BeforeValidator(_day), Field(ge=date(1900, 1, 1), le=date(2200, 12, 31))]


def _printable(name: str) -> str:
    """So that a message can name it: a lone surrogate could not even be answered."""
    if not name.isprintable():
        raise PydanticCustomError("bad_name", "the name of a parameter is printable")
    return name


Name = Annotated[str, AfterValidator(_printable)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Asked(_Request):
    """A filter to be read."""

    filter: str = Field(examples=["invoice.balance > 1000 AND customer.rating = 'D'"])
    level: Level = "customer"
    params: dict[Name, Value | list[Value]] | None = Field(None, description="values of the filter's $parameters")
    match_all: bool = Field(False, description="an empty filter selects everyone")


class Dated(Asked):
    """A filter to be read as of a day."""

    as_of: Day | None = Field(None, description="the company's today when absent")
    respect_pauses: bool = Field(False, description="hold back customers and invoices whose chasing is paused")


class Ordering(_Request):
    """By a field that the rows show; those where it is missing come last, and among equals the source id decides."""

    field: str
    descending: bool = False


class Listing(Dated):
    """A filter to be answered with rows."""

    order: Ordering | None = Field(None, description="in the order of the source ids when absent")
    usual: bool = Field(False, description="show also what people look at first")


class Paged(Listing):
    """A filter to be answered."""

    limit: int = Field(50, ge=1, le=LARGEST_PAGE)
    cursor: str | None = Field(None, description="`next_cursor` of the page before")
    count_to: int | None = Field(
        None, ge=1, le=1_000_000, description="count no further: a larger answer is named in `capped`"
    )


class Exporting(Listing):
    """A filter to be answered as a whole."""

    rows: Kind | None = Field(None, description="the customers, or at level group the groups, when absent")

    @property
    def kind(self) -> Kind:
        return self.rows or ("groups" if self.level == "group" else "customers")


class Completing(_Request):
    """A filter that is being written."""

    text: str
    cursor: int = Field(ge=0, description="where in the text, in characters")
    level: Level = "customer"


@dataclass(frozen=True, slots=True)
class Asking:
    """`is_past`: the day lies before the company's today."""

    analysis: Analysis
    company: Company
    as_of: date
    is_past: bool
    respect_pauses: bool = False

    def question(self, relations: Relations) -> Question:
        return Question(self.company.company_id, self.as_of, relations)


def analysis_of(asked: Asked, catalog: Catalog, *, answered: bool = False) -> Analysis:
    """Raises `FilterError`. To be answered, a filter needs the values of all its parameters."""
    if asked.match_all and not asked.filter.strip():
        return everyone(catalog, asked.level)
    parameters: Mapping[str, object] | None = {} if answered and asked.params is None else asked.params
    analysis = analyze(asked.filter, catalog, level=asked.level, parameters=parameters)
    observed().filter = analysis.canonical
    return analysis


def ask(asked: Dated, company: Company, *, answered: bool = False) -> Asking:
    """The day is settled here, once, so that all of an answer is of one day."""
    today = company.today
    as_of = asked.as_of or today
    return Asking(
        analysis_of(asked, company.catalog, answered=answered), company, as_of, as_of < today, asked.respect_pauses
    )
