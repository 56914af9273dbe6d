"""What a caller sends to store a workflow, and when it runs by itself."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.asked import Day, Level
from dsl.parts import Part

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)

LONGEST_NAME = 200


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _clean_name(name: str) -> str:
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise PydanticCustomError("bad_name", f"a name has 1 to {LONGEST_NAME} printable characters")
    return name


Name = Annotated[str, AfterValidator(_clean_name)]


def _clock(value: object) -> object:
    if isinstance(value, str):
        try:
            return datetime.strptime(value, "%H:%M").time()
        except ValueError:
            pass
    raise PydanticCustomError("bad_time", "a time is written hours:minutes, 08:30")


Clock = Annotated[time, BeforeValidator(_clock)]


class Schedule(_Body):
    """Once on each of the days, within the window, by the company's own clock."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    days: list[Weekday] = Field(min_length=1)
    start: Clock = Field(alias="from")
    until: Clock

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Self:
        if self.start >= self.until:
            raise PydanticCustomError("bad_window", "the window opens before it closes, on the same day")
        return self

    def next_after(self, moment: datetime, time_zone: str) -> datetime:
        """The next moment at which a window opens."""
        zone = ZoneInfo(time_zone)
        today = moment.astimezone(zone).date()
        openings = (self._opening(today + timedelta(days), zone) for days in range(9))
        return next(opening for opening in openings if opening and opening > moment)

    def is_open(self, moment: datetime, time_zone: str) -> bool:
        local = moment.astimezone(ZoneInfo(time_zone))
        return WEEKDAYS[local.weekday()] in self.days and self.start <= local.time() < self.until

    def _opening(self, day: date, zone: ZoneInfo) -> datetime | None:
        return datetime.combine(day, self.start, zone) if WEEKDAYS[day.weekday()] in self.days else None

    def document(self) -> dict[str, object]:
        return {"days": self.days, "from": f"{self.start:%H:%M}", "until": f"{self.until:%H:%M}"}


def _exact(value: object) -> object:
    return Decimal(value) if type(value) is int else value


Factor = Annotated[Decimal, BeforeValidator(_exact)]


class PartOf(_Body):
    """Conditions on one entity. Those that are switched off are kept, and do not count."""

    filter: str
    on: bool = True


def _as_part(value: object) -> object:
    return {"filter": value} if isinstance(value, str) else value


AnyPart = Annotated[PartOf, BeforeValidator(_as_part)]


class Edited(_Body):
    """What a workflow says: its filter, or the parts of it."""

    name: Name
    level: Level = "customer"
    filter: str | None = Field(None, examples=["invoice.balance > 1000 AND payment.amount > 500"])
    parts: Mapping[Part, AnyPart] | None = Field(
        None, examples=[{"invoices": {"filter": "balance > 1000", "on": True}}]
    )
    respect_pauses: bool = Field(True, description="hold back customers and invoices whose chasing is paused")
    active: bool = True
    growth_factor: Factor | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="an audience so many times larger or smaller must be confirmed",
    )
    schedule: Schedule | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.filter is None) == (self.parts is None):
            raise PydanticCustomError("filter_or_parts", "a workflow has either a filter or parts")
        return self


class Starting(_Body):
    """A run. `confirm`: though the audience grew or shrank by much."""

    as_of: Day | None = Field(None, description="the company's today when absent")
    confirm: bool = False


class Proposed(_Body):
    """An edit that is not stored yet; whatever is absent is as stored."""

    as_of: Day | None = None
    filter: str | None = None
    parts: Mapping[Part, AnyPart] | None = None
    respect_pauses: bool | None = None
    limit: int = Field(50, ge=1, le=500)

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.filter is not None and self.parts is not None:
            raise PydanticCustomError("filter_or_parts", "a workflow has either a filter or parts")
        return self
