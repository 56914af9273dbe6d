"""The types of operands (language.md, section 2)."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    TEXT = "text"
    CHOICE = "choice"
    CODE = "code"
    NUMBER = "number"
    COUNT = "count"
    DAYS = "days"
    PERCENT = "percent"
    MONEY = "money"
    DATE = "date"
    FLAG = "flag"
    SET = "set"


@dataclass(frozen=True, slots=True)
class Type:
    """`choices` lists the allowed values of a choice or code, in order when `ordered`; `what` names a code's kind."""

    kind: Kind
    choices: tuple[str, ...] = ()
    ordered: bool = False
    what: str = ""

    def __str__(self) -> str:
        return self.what or self.kind.value


TEXT = Type(Kind.TEXT)
NUMBER = Type(Kind.NUMBER)
COUNT = Type(Kind.COUNT)
DAYS = Type(Kind.DAYS)
PERCENT = Type(Kind.PERCENT)
MONEY = Type(Kind.MONEY)
DATE = Type(Kind.DATE)
FLAG = Type(Kind.FLAG)
SET = Type(Kind.SET)

# What a company can give a field of its own, besides a choice of its values.
PLAIN = {plain.kind: plain for plain in (TEXT, NUMBER, COUNT, PERCENT, MONEY, DATE, FLAG, SET)}

NUMERIC = frozenset({Kind.NUMBER, Kind.COUNT, Kind.DAYS})
QUANTITIES = NUMERIC | {Kind.PERCENT, Kind.MONEY}


def choice(values: str, *, ordered: bool = False) -> Type:
    return Type(Kind.CHOICE, tuple(values.split()), ordered)
