"""From the text of one cell to a value that PostgreSQL takes, or the reason why not.

Values of the fields that a company defines stay text, in the one spelling of their type: `dsl/catalog.py` reads that.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from functools import partial

from app.cells import money as money_shown
from dsl.codes import COUNTRIES, CURRENCIES
from dsl.diagnostics import did_you_mean
from dsl.types import Kind as TypeKind
from dsl.types import Type

# PostgreSQL indexes no value of more than 2,704 bytes, and a character may take four.
LONGEST_KEY = 200
LONGEST_TEXT = 500
LONGEST_PROSE = 10_000

FIRST_DAY = "1900-01-01"
LAST_DAY = "2200-12-31"

MONEY_DECIMALS = 4
LARGEST_MONEY = 900_000_000_000_000 * 10**MONEY_DECIMALS

RATE_DECIMALS = 18
MOST_RATE_DIGITS = 12

NUMBER_DECIMALS = 10
MOST_NUMBER_DIGITS = 15

_NUMBER = re.compile(r"([+-]?)(\d*)(?:\.(\d+))?", re.ASCII)
_COUNT = re.compile(r"[+-]?\d{1,15}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

Parse = Callable[[str], object]


class BadCell(Exception):
    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Kind:
    """What the cells of a column hold: the type in the database, and how text is parsed.

    A parser gets text that is stripped, not empty and fit to be stored.
    """

    sql: str
    parse: Callable[..., object]
    needs_zone: bool = False


def reader(kind: Kind, *, required: bool, zone: tzinfo = UTC) -> Parse:
    """The function that reads the cells of one column."""
    parse = partial(kind.parse, zone=zone) if kind.needs_zone else kind.parse

    def read(cell: str) -> object:
        text = cell.strip()
        if not text:
            if required:
                raise BadCell("missing-value", "a value is required here")
            return None
        if "\0" in text or not text.isascii():
            _check_storable(text)
        return parse(text)

    return read


def shown(text: str) -> str:
    """The value in an error message: short, on one line, nothing that a terminal obeys."""
    visible = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:41])
    return f"'{visible[:40]}…'" if len(text) > 40 else f"'{visible}'"


def _check_storable(text: str) -> None:
    if "\0" in text:
        raise BadCell("nul-byte", f"{shown(text)} contains a NUL byte")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadCell("bad-encoding", f"{shown(text)} is not valid UTF-8") from None


def _text(text: str, longest: int = LONGEST_TEXT) -> str:
    if len(text) > longest:
        raise BadCell("too-long", f"{shown(text)} has {len(text):,} characters, at most {longest:,} are allowed")
    return text


def _digits(text: str) -> tuple[str, str, str]:
    """Sign, whole part and decimals, without the zeros that mean nothing."""
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise BadCell(
            "bad-number",
            f"{shown(text)} is not a plain decimal number such as -1234.50 (no separators, units or exponents)",
        )
    return match[1], match[2].lstrip("0"), (match[3] or "").rstrip("0")


def _money(text: str) -> int:
    """In ten-thousandths of the unit."""
    sign, whole, decimals = _digits(text)
    if len(decimals) > MONEY_DECIMALS:
        raise BadCell("too-many-decimals", f"{shown(text)} has more than {MONEY_DECIMALS} decimals")
    if len(whole) > 15 or (amount := int(whole + decimals.ljust(MONEY_DECIMALS, "0"))) > LARGEST_MONEY:
        raise BadCell("number-out-of-range", f"{shown(text)} is over 900 trillion")
    return -amount if sign == "-" else amount


def _rate(text: str) -> str:
    sign, whole, decimals = _digits(text)
    if sign == "-" or not (whole or decimals):
        raise BadCell("number-out-of-range", f"{shown(text)} is not above 0, as a rate must be")
    if len(decimals) > RATE_DECIMALS:
        raise BadCell("too-many-decimals", f"{shown(text)} has more than {RATE_DECIMALS} decimals")
    if len(whole) > MOST_RATE_DIGITS:
        raise BadCell("number-out-of-range", f"{shown(text)} has more than {MOST_RATE_DIGITS} digits before the point")
    return f"{whole or '0'}.{decimals or '0'}"


def _strike(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise BadCell("bad-number", f"{shown(text)} is not a whole number")
    if not 0 <= (strike := int(text)) <= 10:
        raise BadCell("number-out-of-range", f"{shown(text)} is not between 0 and 10")
    return strike


def _day(text: str) -> str:
    """The text itself: PostgreSQL reads it as it is, and ISO dates sort as text."""
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        date.fromisoformat(text)
    except ValueError:
        raise BadCell("bad-date", f"{shown(text)} is not a date such as 2026-01-31") from None
    if not FIRST_DAY <= text <= LAST_DAY:
        raise BadCell("date-out-of-range", f"{shown(text)} is not between {FIRST_DAY} and {LAST_DAY}")
    return text


def _moment(text: str, zone: tzinfo) -> datetime:
    """A time without an offset is meant where the company is."""
    try:
        if not _DAY.match(text):
            raise ValueError
        stated = datetime.fromisoformat(text)
        moment = stated.astimezone(zone) if stated.tzinfo else stated.replace(tzinfo=zone)
        year = moment.year  # of the local day, which is the one stored
    except (ValueError, OverflowError):
        raise BadCell(
            "bad-timestamp", f"{shown(text)} is not a date or time such as 2026-01-31 or 2026-01-31T09:30:00+01:00"
        ) from None
    if not 1900 <= year <= 2200:
        raise BadCell("date-out-of-range", f"{shown(text)} is not between {FIRST_DAY} and {LAST_DAY}")
    return moment


def _flag(text: str) -> bool:
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise BadCell("bad-flag", f"{shown(text)} is neither yes nor no: write true or false (yes, no, 1, 0)") from None


def _set(text: str) -> list[str]:
    elements = dict.fromkeys(element.strip() for element in text.split("|"))
    return [_text(element, LONGEST_KEY) for element in elements if element]


def _code(text: str, known: Collection[str], code: str, what: str) -> str:
    if (upper := text.upper()) not in known:
        raise BadCell(code, f"{shown(text)} is no {what}")
    return upper


def _choice(text: str, spellings: Mapping[str, str]) -> str:
    try:
        return spellings[text.casefold().replace(" ", "_").replace("-", "_")]
    except KeyError:
        allowed = list(dict.fromkeys(spellings.values()))
        meant = did_you_mean(text, allowed, limit=1)
        hint = f"; did you mean '{meant[0]}'?" if meant else ""
        raise BadCell("bad-choice", f"{shown(text)} is not one of {', '.join(allowed)}{hint}") from None


def choice(values: str, **other_spellings: str) -> Kind:
    """`direct debit` and `Direct-Debit` are `direct_debit`."""
    spellings = {value.casefold(): value for value in values.split()} | other_spellings
    return Kind("text", partial(_choice, spellings=spellings))


KEY = Kind('text COLLATE "C"', partial(_text, longest=LONGEST_KEY))
TEXT = Kind("text", _text)
PROSE = Kind("text", partial(_text, longest=LONGEST_PROSE))
MONEY = Kind("bigint", _money)
RATE = Kind("numeric", _rate)
STRIKE = Kind("bigint", _strike)
DAY = Kind("date", _day)
MOMENT = Kind("timestamptz", _moment, needs_zone=True)
FLAG = Kind("boolean", _flag)
SET = Kind("text[]", _set)
CURRENCY = Kind(
    "text", partial(_code, known=CURRENCIES, code="bad-currency", what="ISO 4217 currency code such as EUR")
)
COUNTRY = Kind(
    "text",
    partial(_code, known=COUNTRIES, code="bad-country", what="ISO 3166-1 country code of two letters such as DE"),
)


# ---------------------------------------------------------------- fields that a company defines


def own(type: Type) -> Kind:
    """What cells of such a field hold: text that reads as a value of the type, the same text for the same value."""
    if type.kind is TypeKind.CHOICE:
        return Kind("text", partial(_own_choice, spellings={value.casefold(): value for value in type.choices}))
    return _OWN[type.kind]


def _own_choice(text: str, spellings: Mapping[str, str]) -> str:
    try:
        return spellings[text.casefold()]
    except KeyError:
        meant = did_you_mean(text, spellings.values(), limit=1)
        hint = f"did you mean {shown(meant[0])}? " if meant else ""
        raise BadCell("bad-choice", f"{shown(text)} is no value of the field; {hint}{_some(spellings)}") from None


def _some(spellings: Mapping[str, str]) -> str:
    values = list(spellings.values())
    return f"values are {', '.join(map(shown, values[:10]))}{', …' if len(values) > 10 else ''}"


def _own_number(text: str) -> str:
    sign, whole, decimals = _digits(text)
    if len(decimals) > NUMBER_DECIMALS:
        raise BadCell("too-many-decimals", f"{shown(text)} has more than {NUMBER_DECIMALS} decimals")
    if len(whole) > MOST_NUMBER_DIGITS:
        raise BadCell("number-out-of-range", f"{shown(text)} has over {MOST_NUMBER_DIGITS} digits before the point")
    number = (whole or "0") + (f".{decimals}" if decimals else "")
    return f"-{number}" if sign == "-" and number != "0" else number


def _own_percent(text: str) -> str:
    """In percent points, with the sign or without."""
    return _own_number(text.removesuffix("%").rstrip())


def _own_count(text: str) -> str:
    if not _COUNT.fullmatch(text) or int(text) < 0:
        raise BadCell("bad-number", f"{shown(text)} is not a whole number from 0 on, of at most 15 digits")
    return str(int(text))


def _own_money(text: str) -> str:
    return money_shown(_money(text))


def _own_flag(text: str) -> str:
    return "true" if _flag(text) else "false"


def _own_set(text: str) -> str | None:
    return "|".join(_set(text)) or None


OWN_SET = Kind("text", _own_set)
_OWN: Mapping[TypeKind, Kind] = {
    TypeKind.TEXT: PROSE,
    TypeKind.NUMBER: Kind("text", _own_number),
    TypeKind.COUNT: Kind("text", _own_count),
    TypeKind.PERCENT: Kind("text", _own_percent),
    TypeKind.MONEY: Kind("text", _own_money),
    TypeKind.DATE: Kind("text", _day),
    TypeKind.FLAG: Kind("text", _own_flag),
    TypeKind.SET: OWN_SET,
}
