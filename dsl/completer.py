"""What may stand at the cursor: words that the grammar takes there and, by a trial check, the names and types too.

A trial ends the condition at the cursor with the candidate and checks it alone, so what is offered always leads to a
filter that is accepted, and an error elsewhere in the text is in nobody's way.
"""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from dsl import ast
from dsl.catalog import Catalog, Entity, Field
from dsl.checker import Level, check
from dsl.literals import quoted
from dsl.operators import BETWEEN, COMPARISONS, HAS, IN, IN_PERIOD, MISSING, written_for
from dsl.parser import DEFAULT_LIMITS, open_pieces, parse_pieces
from dsl.typed import Absent, Block, Predicate
from dsl.types import Kind, Type

ItemKind = Literal["entity", "field", "operator", "value", "keyword"]


@dataclass(frozen=True, slots=True)
class Item:
    insert: str
    label: str
    kind: ItemKind
    help: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """Each item may replace the text from `start` to `end`: the word under the cursor, or nothing."""

    start: int
    end: int
    items: tuple[Item, ...]


def complete(text: str, cursor: int, catalog: Catalog, level: Level = "customer") -> Completion:
    cursor = min(max(cursor, 0), len(text))
    start, end = _word_at(text, cursor)
    typed = text[start:cursor]
    place = _Place.after(text[:start], catalog, level, typed) if len(text) <= DEFAULT_LIMITS.characters else None
    return Completion(start, end, _ranked(place.offers(), typed) if place else ())


# ---------------------------------------------------------------- the word under the cursor

_LEXEME = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(?P<open>['\"].*|[a-z0-9_]+$)", re.IGNORECASE | re.DOTALL)
_REST = {"'": re.compile(r"[^\s']*'?"), '"': re.compile(r'[^\s"]*"?'), "": re.compile("[a-z0-9_]*", re.IGNORECASE)}


def _word_at(text: str, cursor: int) -> tuple[int, int]:
    """A text in quotes that is still open is one word."""
    opened = next((match.start() for match in _LEXEME.finditer(text[:cursor]) if match["open"]), cursor)
    quote = text[opened] if opened < cursor and text[opened] in "'\"" else ""
    rest = _REST[quote].match(text, cursor)
    return opened, rest.end() if rest else cursor


def _ranked(items: Iterator[Item], typed: str) -> tuple[Item, ...]:
    """Those that go with what is typed: as a beginning, as the beginning of a later word, or somewhere inside."""
    word = typed.strip("'\"").casefold()
    fitting = [item for item in items if typed[:1] not in ("'", '"') or item.insert[0] == "'"]
    found = [(rank, item) for item in fitting if (rank := _rank(item, word)) is not None]
    return tuple(dict.fromkeys(item for _, item in sorted(found, key=lambda pair: pair[0])))


def _rank(item: Item, word: str) -> int | None:
    said = [item.insert.strip("'").casefold(), item.label.casefold()]
    tests = (
        any(one.startswith(word) for one in said),
        any(part.startswith(word) for one in said for part in re.split(r"[\W_]", one)),
        any(word in one for one in said),
    )
    return tests.index(True) if any(tests) else None


# ---------------------------------------------------------------- what may stand there

_MOST_PIECES = 100

_Piece = ast.Node | str
_QUANTIFIERS = {
    "ANY": "there is one of which … holds",
    "NO": "there is none of which … holds",
    "ALL": "… holds for every one, and there is one",
}
_FUNCTIONS = {
    "COUNT": "how many there are",
    "SUM": "total of a field",
    "AVG": "mean of a field",
    "MIN": "least value of a field",
    "MAX": "greatest value of a field",
    "FIRST": "field of the first one in an order",
}
_UNITS = ("DAYS", "WEEKS", "MONTHS", "YEARS")
_JOINERS = {"AND": "both must hold", "OR": "one of them must hold"}
_ENDINGS = {
    ")": "end of the bracket",
    ",": "one more",
    "WHERE": "only those of which … holds",
    "BY": "in the order of …",
}
_OPERATORS = {
    **COMPARISONS,
    **{f"HAS {word}": row for word, row in HAS.items()},
    **dict.fromkeys(("IN LAST", "IN NEXT", "IN THIS"), IN_PERIOD),
    "BETWEEN": BETWEEN,
    "IN": IN,
    "IS MISSING": MISSING,
}
_LISTED = ("IN", "HAS ANY", "HAS ALL", "HAS NONE")
_SAMPLES: dict[Kind, tuple[str, ...]] = {
    Kind.TEXT: ("''",),
    Kind.SET: ("''",),
    Kind.NUMBER: ("10",),
    Kind.COUNT: ("3",),
    Kind.DAYS: ("30",),
    Kind.PERCENT: ("80%",),
    Kind.MONEY: ("1000",),
    Kind.FLAG: ("true", "false"),
    Kind.DATE: (
        *("today", "yesterday", "tomorrow", "today - 30 DAYS", "today + 7 DAYS"),
        *("7 DAYS", "30 DAYS", "90 DAYS", "12 MONTHS", "WEEK", "MONTH", "QUARTER", "YEAR"),
    ),
}


@dataclass(frozen=True)
class _Place:
    """The end of `text`, a beginning of a filter. `word` is what is typed there already."""

    text: str
    pieces: Sequence[_Piece]
    catalog: Catalog
    level: Level
    word: str

    @classmethod
    def after(cls, text: str, catalog: Catalog, level: Level, word: str) -> "_Place | None":
        pieces = open_pieces(text)
        if pieces and pieces[-1] == ")":
            # Only what follows a bracket makes one piece of what it closes.
            longer = (open_pieces(f"{text} {next}") for next in ("=", "AND", ")", ","))
            pieces = next((found[:-1] for found in longer if found), None)
        return None if pieces is None else cls(text, pieces, catalog, level, word)

    def offers(self) -> Iterator[Item]:
        last = self._word(-1)
        if last == ".":
            return self._after_dot()
        if _is_quantifier(last) and self._word(-2) != "HAS":
            return self._after_quantifier()
        if last == "(" and self._word(-2) in _FUNCTIONS:
            return self._after_function()
        if "BY" in self.pieces:
            return self._order()
        return self._inside_condition() if self.test else self._condition_start()

    # ------------------------------------------------------------ where the cursor is

    def _word(self, place: int) -> str:
        """The open word at a place counted from the end; empty where there is none."""
        piece = self.pieces[place] if len(self.pieces) >= -place else ""
        return piece if isinstance(piece, str) else ""

    @cached_property
    def test(self) -> Sequence[_Piece]:
        """The pieces of the condition that the cursor is in."""
        start = 0
        for place, piece in enumerate(self.pieces):
            joins = piece in _JOINERS and "BETWEEN" not in self.pieces[start:place]
            leads = piece in ("(", "NOT") and place == start
            if joins or leads or piece == "WHERE" or self._opens_block(place):
                start = place + 1
        return self.pieces[start:]

    def _opens_block(self, place: int) -> bool:
        quantifier, entity, bracket = self.pieces[place - 2 : place + 1] if place > 1 else ("", "", "")
        return bracket == "(" and entity != "(" and _is_quantifier(quantifier)

    @cached_property
    def scopes(self) -> Sequence[str]:
        """The entities of the open blocks and aggregates, outermost first."""
        return [
            _entity_of(self.pieces[place - 1])
            for place, piece in enumerate(self.pieces)
            if self._opens_block(place)
            or (piece in ("WHERE", "BY") and place > 2 and self.pieces[place - 3] in _FUNCTIONS)
        ]

    @cached_property
    def scope(self) -> Entity | None:
        return self.catalog.entities.get(self.scopes[-1]) if self.scopes else None

    def _written(self, pieces: Sequence[_Piece]) -> str:
        return " ".join(p if isinstance(p, str) else self.text[p.span.start : p.span.end] for p in pieces)

    # ------------------------------------------------------------ trials

    def _followed_by(self, word: str) -> Sequence[_Piece]:
        """The pieces when the word stands next, which finishes those before it; empty where it may not stand."""
        longer = open_pieces(f"{self.text} {word}")
        # A keyword can be a name too, where only a name may stand.
        return longer if longer and longer[-1] == word else ()

    def _fits(self, insert: str) -> bool:
        """The condition at the cursor, ended with the candidate, is accepted. An operand may still become one."""
        trees, problems = parse_pieces(f"{self._written(self.test)} {insert}{self._ending(insert)}")
        if problems:
            return False
        tree = ast.Missing(trees[0].operand) if isinstance(trees[0], ast.Bare) else trees[0]
        return self._checked(tree) is not None

    def _ending(self, insert: str) -> str:
        calls = [self.test[place - 1] if place else "" for place, piece in enumerate(self.test) if piece == "("]
        closed = "".join(f" BY {insert})" if call == "FIRST" else ")" for call in reversed(calls))
        half = "BETWEEN" in self.test and "AND" not in self.test
        return f"{closed} AND {self._written(self.test[:1])}" if half else closed

    def _checked(self, condition: ast.Condition) -> Predicate | None:
        """The condition as it is where it stands, inside the open blocks; None if it is wrong there."""
        for entity in reversed(self.scopes):
            condition = ast.Block("ANY", entity, condition)
        checked, _ = check(condition, self.catalog, level=self.level)
        found = checked.condition if checked else None
        while isinstance(found, Block):
            found = found.condition
        return found

    def _type(self, piece: _Piece) -> Type | None:
        asked = self._checked(ast.Missing(piece)) if isinstance(piece, ast.Operand) else None
        return asked.operand.type if isinstance(asked, Absent) else None

    # ------------------------------------------------------------ names

    def _after_dot(self) -> Iterator[Item]:
        entity, _, rest = self._path().partition(".")
        if entity == "custom" and self.scope:
            entity, rest = self.scope.name, self._path()
        inner = f"{rest}." if rest else ""
        owner = self.catalog.entities.get(entity)
        for field in owner.fields.values() if owner else ():
            name = field.name.removeprefix(inner)
            if field.name.startswith(inner) and (
                self._orders(owner, field) if "BY" in self.pieces else self._fits(name)
            ):
                yield _field_item(name, field)

    def _path(self) -> str:
        """The names and dots before the last dot."""
        start = len(self.pieces) - 2
        while start > 1 and self.pieces[start - 1] == ".":
            start -= 2
        return "".join(self._word(place) for place in range(start - len(self.pieces), -1))

    def _orders(self, entity: Entity | None, field: Field) -> bool:
        return entity is self.scope and field.type.kind is not Kind.SET

    def _operands(self) -> Iterator[Item]:
        """Fields of the row at hand, kinds of rows, aggregates; once a word is typed, fields of other rows too."""
        usable = {entity: self._usable_types(entity) for entity in self.catalog.entities.values()}
        if self.scope:
            yield from _field_items(self.scope, usable[self.scope])
        others = [entity for entity, types in usable.items() if types and entity is not self.scope]
        yield from (_entity_item(entity, ".") for entity in others)
        yield from self._functions()
        if self.word:
            for entity in others:
                yield from _field_items(entity, usable[entity], f"{entity.name}.")

    def _usable_types(self, entity: Entity) -> set[Type]:
        """Whether a field fits depends on its type alone, so one of each is tried."""
        return {field.type for field in _one_of_each_type(entity) if self._fits(f"{entity.name}.{field.name}")}

    def _functions(self) -> Iterator[Item]:
        for function, help in _FUNCTIONS.items():
            if any(self._fits(call) for entity in self._many for call in _calls(function, entity)):
                yield Item(f"{function}(", function, "keyword", help)

    @cached_property
    def _many(self) -> Sequence[Entity]:
        """The entities of which a block can be written here."""
        whole = ast.Bare(ast.Flag(True))
        return [e for e in self.catalog.entities.values() if self._checked(ast.Block("ANY", e.name, whole))]

    def _after_quantifier(self) -> Iterator[Item]:
        return (_entity_item(entity) for entity in self._many)

    def _after_function(self) -> Iterator[Item]:
        if self._word(-2) == "COUNT":
            return (_entity_item(entity) for entity in self._many)
        return (_entity_item(entity, ".") for entity in self._many if self._usable_types(entity))

    def _order(self) -> Iterator[Item]:
        """The keys of FIRST … BY, and what comes after one."""
        if self.scope and self.pieces[-1] in ("BY", ","):
            yield from _field_items(self.scope, {kind for kind in _types(self.scope) if kind.kind is not Kind.SET})
        if self._followed_by("DESC"):
            yield Item("DESC", "DESC", "keyword", "greatest first")
        yield from self._joiners()

    # ------------------------------------------------------------ conditions

    def _condition_start(self) -> Iterator[Item]:
        yield from self._operands()
        if self._many:
            yield from (Item(word, word, "keyword", help) for word, help in _QUANTIFIERS.items())
        if self._word(-1) != "NOT":
            yield Item("NOT", "NOT", "keyword", "the opposite")

    def _inside_condition(self) -> Iterator[Item]:
        yield from self._segments()
        yield from self._operators()
        yield from self._joiners()
        yield from self._values()
        # A condition this long is a list of values, or hostile.
        if len(self.test) < _MOST_PIECES and self._followed_by("''"):
            yield from self._operands()
        if self._followed_by("(") and _is_quantifier(self._word(-2)) and self._word(-1) != "(":
            yield Item("(", "(", "keyword", "what holds of it")

    def _segments(self) -> Iterator[Item]:
        """Of `customer IN SEGMENT 'name'` what is still to come."""
        subject, *begun = self.test
        if subject not in ("customer", ast.Name(None, "customer")) or not self.catalog.segments:
            return
        for words in (["IN", "SEGMENT"], ["NOT", "IN", "SEGMENT"]):
            if begun == words:
                yield from (_value_item(quoted(name)) for name in sorted(self.catalog.segments))
            elif begun == words[: len(begun)]:
                rest = " ".join(words[len(begun) :])
                yield Item(rest, rest, "operator", "is among the members of a segment")

    def _operators(self) -> Iterator[Item]:
        """The operators that fit the operand on the left, or the rest of one that is begun."""
        finished = self._followed_by("=")[len(self.pieces) - len(self.test) : -1] or self.test
        left, *begun = finished
        kind = self._type(left)
        if kind is None or not all(isinstance(word, str) for word in begun):
            return
        start = "".join(f"{word} " for word in begun)
        for symbol in written_for(kind):
            rest = f"{symbol} (" if symbol.removeprefix("NOT ") in _LISTED else symbol
            if rest.startswith(start):
                yield Item(rest.removeprefix(start), symbol, "operator", _english(symbol, kind))

    def _joiners(self) -> Iterator[Item]:
        for word, help in (_JOINERS | _ENDINGS).items():
            longer = self._followed_by(word)
            if longer and self._is_finished(longer):
                yield Item(word, word, "keyword", help)

    def _is_finished(self, longer: Sequence[_Piece]) -> bool:
        """The piece before the last is what its place asks for: an operand alone is no condition, except a flag."""
        *before, piece, word = longer
        last = _last(piece)
        if not isinstance(last, ast.Operand) or self._checked(ast.Bare(last)):
            return True
        if word in _JOINERS or last is not piece:
            return before[-1:] == ["BETWEEN"]
        opener = max(place for place, open in enumerate(before) if open == "(")
        return "WHERE" not in before[opener:] and not self._opens_block(opener)

    def _values(self) -> Iterator[Item]:
        """Literals of the type on the left; after a number, what it may be a number of."""
        if self._word(-1)[:1].isdigit():
            yield from (_value_item(unit) for unit in _UNITS if self._fits(unit))
            codes = self.catalog.entities["customer"].fields["currency"].type.choices if self.word else ()
            yield from (_value_item(code) for code in codes if self._fits(code))
        elif len(self.test) > 1 and (kind := self._type(self.test[0])):
            choices = [quoted(value) for value in kind.choices]
            usable = choices and self._fits(choices[0])
            yield from (_value_item(value) for value in choices if usable)
            yield from (_value_item(value) for value in _SAMPLES.get(kind.kind, ()) if self._fits(value))


def _is_quantifier(piece: _Piece) -> bool:
    return piece == "NONE" or piece in _QUANTIFIERS


def _entity_of(piece: _Piece) -> str:
    return piece if isinstance(piece, str) else (piece.entity or "") if isinstance(piece, ast.Name) else ""


def _last(piece: _Piece) -> _Piece:
    """The operand that stands alone at the end of the piece, else its last condition."""
    match piece:
        case ast.And(conditions) | ast.Or(conditions):
            return _last(conditions[-1])
        case ast.Not(condition):
            return _last(condition)
        case ast.Bare(operand):
            return operand
        case _:
            return piece


def _types(entity: Entity) -> set[Type]:
    return {field.type for field in entity.fields.values()}


def _one_of_each_type(entity: Entity) -> Iterable[Field]:
    return {field.type: field for field in entity.fields.values()}.values()


def _calls(function: str, entity: Entity) -> Iterator[str]:
    """One whole aggregate for each type that the function may be about."""
    if function == "COUNT":
        yield f"COUNT({entity.name})"
        return
    for field in _one_of_each_type(entity):
        order = f" BY {field.name}" if function == "FIRST" else ""
        yield f"{function}({entity.name}.{field.name}{order})"


# ---------------------------------------------------------------- items


def _entity_item(entity: Entity, dot: str = "") -> Item:
    return Item(f"{entity.name}{dot}", entity.english, "entity", entity.help)


def _field_item(name: str, field: Field) -> Item:
    return Item(name, field.label, "field", field.help)


def _field_items(entity: Entity, types: Container[Type], prefix: str = "") -> Iterator[Item]:
    fields = entity.fields.values()
    return (_field_item(f"{prefix}{field.name}", field) for field in fields if field.type in types)


def _value_item(value: str) -> Item:
    return Item(value, value.strip("'") or "text in quotes", "value")


def _english(symbol: str, kind: Type) -> str:
    plain = symbol.removeprefix("NOT ").replace("IS NOT", "IS").replace("!=", "=")
    return _OPERATORS[plain].english(kind.kind, plain != symbol).format("…")
