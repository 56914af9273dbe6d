"""Text to AST. The only importer of lark; no name of the grammar reaches a message."""

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import cast, get_args

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken
from lark import Tree as LarkTree

from dsl import ast
from dsl.diagnostics import Diagnostic, FilterError, Fix, Span, did_you_mean
from dsl.literals import quoted


@dataclass(frozen=True, slots=True)
class Limits:
    """Each is a clear error when a filter goes over it (language.md, section 2)."""

    characters: int = 10_000
    conditions: int = 200
    depth: int = 32
    scopes: int = 8
    values: int = 1_000
    nesting: int = 2
    keys: int = 20


DEFAULT_LIMITS = Limits()


def parse(text: str, limits: Limits = DEFAULT_LIMITS) -> ast.Condition:
    """The tree of a filter. Raises `FilterError` with every syntax error found."""
    trees, problems = parse_pieces(text, limits)
    if problems:
        raise FilterError(text, problems)
    return trees[0]


def parse_pieces(text: str, limits: Limits = DEFAULT_LIMITS) -> tuple[list[ast.Condition], list[Diagnostic]]:
    """One tree if the text is well formed; else what could be read around the errors, and the errors.

    Offsets in the trees are offsets into `text` in either case.
    """
    if len(text) > limits.characters:
        return [], [_limit(f"The filter has {len(text):,} characters", f"{limits.characters:,}", Span(0, len(text)))]
    if not text.strip():
        return [], [Diagnostic("empty-filter", "The filter is empty: it would select everyone.", Span(0, len(text)),
                               hint="Write a condition, or say match_all: true.")]  # fmt: skip
    trees: list[ast.Condition] = []
    problems: list[Diagnostic] = []
    rest = text
    # What follows an error is read only to report its errors too: a loop, as a hostile text may have thousands.
    while rest.strip() and len(problems) < MOST_ERRORS:
        try:
            found, rest = [_tree(rest)], ""
        except UnexpectedInput as error:
            problems.append(_syntax_error(rest, error))
            before, rest = _around(rest, problems[-1].span.start)
            found = _readable(before)
        for tree in found:
            over = [*_over_limits(tree, limits)]
            problems += [*_wrong_nodes(tree), *over]
            trees += [] if over else _sound_parts(tree)
    return trees, problems


MOST_ERRORS = 20


def open_pieces(text: str) -> list[ast.Node | str] | None:
    """What a beginning of a filter consists of so far, or None if no filter begins so.

    Nodes are what is finished; the words between them are still open, keywords in capitals, names and currencies in
    lower case: ANY may be one.
    """
    try:
        parser = _lark().parse_interactive(text)
        parser.exhaust_lexer()
    except UnexpectedInput:
        return None
    pieces = list(_flat(parser.parser_state.value_stack))
    finished = [piece for piece in pieces if isinstance(piece, ast.Node)]
    return None if any(_wrong_nodes(node) or [*_over_limits(node, DEFAULT_LIMITS)] for node in finished) else pieces


_IN_LOWER_CASE = ("NAME", "CURRENCY")


def _flat(stack: Sequence[object]) -> Iterator[ast.Node | str]:
    """The parser keeps the repeated part of an unfinished rule in a tree of its own."""
    for piece in stack:
        if isinstance(piece, ast.Node):
            yield piece
        elif isinstance(piece, Token):
            yield piece.lower() if piece.type in _IN_LOWER_CASE else piece.upper() if piece.isalpha() else str(piece)
        else:
            yield from _flat(cast(LarkTree[Token], piece).children)


def _tree(text: str) -> ast.Condition:
    return cast(ast.Condition, _lark().parse(text))


def _sound_parts(tree: ast.Condition) -> list[ast.Condition]:
    """The tree, or what in it can be checked beside an error."""
    if not _wrong_nodes(tree):
        return [tree]
    parts = tree.conditions if isinstance(tree, ast.And | ast.Or) else ()
    return [sound for part in parts for sound in _sound_parts(part)]


def _readable(piece: str) -> list[ast.Condition]:
    """A syntax error in a part that was cut out is an error of the cut, not of the filter."""
    try:
        return [_tree(piece)] if piece.strip() else []
    except UnexpectedInput:
        return []


@cache
def _lark() -> Lark:
    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", transformer=_Builder(), keep_all_tokens=True, maybe_placeholders=False)


# ---------------------------------------------------------------- building the tree


@dataclass(frozen=True, slots=True)
class _Wrong(ast.Node):
    """Stands in the tree where something well formed makes no sense, so that the rest is still read."""

    diagnostic: Diagnostic


@dataclass(frozen=True, slots=True)
class _MissingWord(ast.Node):
    """MISSING, NULL or EMPTY in the place of a value."""


Tree = ast.Condition | ast.Operand | _Wrong | _MissingWord
_OPERANDS = get_args(ast.Operand)
_CONDITIONS = get_args(ast.Condition)


def _span(children: Sequence[object]) -> Span:
    return Span(_start(children[0]), _end(children[-1]))


def _start(child: object) -> int:
    return cast(int, child.start_pos) if isinstance(child, Token) else cast(ast.Node, child).span.start


def _end(child: object) -> int:
    return cast(int, child.end_pos) if isinstance(child, Token) else cast(ast.Node, child).span.end


def _nodes(children: Sequence[object]) -> list[Tree]:
    return [cast(Tree, child) for child in children if isinstance(child, ast.Node)]


def _words(children: Sequence[object]) -> set[str]:
    return {str(child).upper() for child in children if isinstance(child, Token)}


def _condition(node: Tree) -> ast.Condition:
    if isinstance(node, _MissingWord):
        return _wrong(
            Diagnostic(
                "unexpected-value",
                "MISSING is no condition of its own.",
                node.span,
                hint="Write the field first: customer.credit_limit IS MISSING.",
            )
        )
    return ast.Bare(node, span=node.span) if isinstance(node, _OPERANDS) else cast(ast.Condition, node)


def _operand(node: Tree) -> ast.Operand:
    if isinstance(node, _CONDITIONS):
        return cast(
            ast.Operand,
            _wrong(
                Diagnostic(
                    "condition-as-value",
                    "A condition stands where a value is expected.",
                    node.span,
                    hint="A condition is true or false already; it cannot be compared or calculated with.",
                )
            ),
        )
    if isinstance(node, _MissingWord):
        return cast(
            ast.Operand,
            _wrong(
                Diagnostic(
                    "null-comparison",
                    "Nothing can be compared with MISSING.",
                    node.span,
                    hint="Ask with IS MISSING or IS NOT MISSING.",
                )
            ),
        )
    return cast(ast.Operand, node)


def _wrong(diagnostic: Diagnostic) -> ast.Condition:
    return cast(ast.Condition, _Wrong(diagnostic, span=diagnostic.span))


def _decimal(token: Token) -> Decimal:
    """Exact: `scaleb` and the construction from text do not round, arithmetic on Decimal would."""
    return Decimal(token.rstrip("kK%").rstrip().replace("_", "")).scaleb(3 if token[-1] in "kK" else 0)


def _too_long(children: "Sequence[object]") -> Tree | None:
    token = cast(Token, children[0])
    if len(token) + 2 * token.lower().endswith("k") <= MOST_DIGITS:
        return None
    return cast(Tree, _wrong(Diagnostic("bad-number", f"A number has at most {MOST_DIGITS} digits.", _span([token]))))


MOST_DIGITS = 25
# 200 years: dates moved by several of these spans are still in the database's calendar.
LONGEST_SPAN = {"DAY": 73_000, "WEEK": 10_400, "MONTH": 2_400, "YEAR": 200}


def _unit(token: Token) -> str:
    return token.upper().rstrip("S")


class _Builder(Transformer[Token, Tree]):
    """One method for each rule of the grammar; every child keeps its token, so spans come from the ends."""

    def _joined(self, kind: type[ast.And] | type[ast.Or], children: list[object]) -> ast.Condition:
        flat: list[ast.Condition] = []
        for node in map(_condition, _nodes(children)):
            flat += node.conditions if isinstance(node, kind) else (node,)
        return kind(tuple(flat), span=_span(children))

    def start(self, children: list[object]) -> ast.Condition:
        return _condition(_nodes(children)[0])

    def disjunction(self, children: list[object]) -> ast.Condition:
        return self._joined(ast.Or, children)

    def conjunction(self, children: list[object]) -> ast.Condition:
        return self._joined(ast.And, children)

    def negation(self, children: list[object]) -> ast.Condition:
        return ast.Not(_condition(_nodes(children)[0]), span=_span(children))

    def comparison(self, children: list[object]) -> ast.Condition:
        left, right = _nodes(children)
        operator = cast(ast.ComparisonOperator, str(children[1]))
        if isinstance(right, _MissingWord) and operator in ("=", "!="):
            asked = "IS MISSING" if operator == "=" else "IS NOT MISSING"
            place = Span(_start(children[1]), right.span.end)
            return _wrong(
                Diagnostic(
                    "null-comparison",
                    f"Nothing can be compared with MISSING; ask with {asked}.",
                    place,
                    fixes=(Fix(f"Write {asked}", place, asked),),
                )
            )
        return ast.Comparison(operator, _operand(left), _operand(right), span=_span(children))

    def text_comparison(self, children: list[object]) -> ast.Condition:
        left, right = map(_operand, _nodes(children))
        words = _words(children)
        operator: ast.ComparisonOperator = (
            "CONTAINS" if "CONTAINS" in words else "STARTS WITH" if "STARTS" in words else "ENDS WITH"
        )
        return ast.Comparison(operator, left, right, "NOT" in words, span=_span(children))

    def between(self, children: list[object]) -> ast.Condition:
        operand, low, high = map(_operand, _nodes(children))
        return ast.Between(operand, low, high, "NOT" in _words(children), span=_span(children))

    def in_list(self, children: list[object]) -> ast.Condition:
        operand, values = _nodes(children)
        return ast.In(_operand(operand), _list(values), "NOT" in _words(children), span=_span(children))

    def in_period(self, children: list[object]) -> ast.Condition:
        operand, period = _nodes(children)
        return ast.InPeriod(
            _operand(operand), cast(ast.Rolling, period), "NOT" in _words(children), span=_span(children)
        )

    def in_segment(self, children: list[object]) -> ast.Condition:
        subject, name = _nodes(children)[0], cast(Token, children[-1])
        if not isinstance(subject, ast.Name) or (subject.entity, subject.field) != (None, "customer"):
            fix = Fix("Ask it of the customer", subject.span, "customer")
            wrong = Diagnostic("not-a-customer", "Only a customer can be in a segment.", subject.span, fixes=(fix,))
            return _wrong(wrong)
        named = cast(ast.Text, self.text([name])).value
        return ast.InSegment(named, "NOT" in _words(children[:-1]), _span([name]), span=_span(children))

    def has_one(self, children: list[object]) -> ast.Condition:
        operand, value = map(_operand, _nodes(children))
        return ast.Has(operand, "ANY", (value,), False, "NOT" in _words(children), span=_span(children))

    def has(self, children: list[object]) -> ast.Condition:
        operand, values = _nodes(children)
        words = _words(children)
        return ast.Has(
            _operand(operand),
            "ANY" if "ANY" in words else "ALL" if "ALL" in words else "NONE",
            _list(values),
            True,
            "NOT" in words,
            span=_span(children),
        )

    def is_missing(self, children: list[object]) -> ast.Condition:
        return ast.Missing(_operand(_nodes(children)[0]), "NOT" in _words(children), span=_span(children))

    def block(self, children: list[object]) -> ast.Condition:
        word = str(children[0]).upper()
        body = _nodes(children)
        entity = cast(Token, children[1])
        return ast.Block(
            "ANY" if word == "ANY" else "ALL" if word == "ALL" else "NO",
            entity.lower(),
            _condition(body[0]) if body else None,
            _span([entity]),
            span=_span(children),
        )

    def list(self, children: "Sequence[object]") -> Tree:
        return cast(Tree, _List(tuple(map(_operand, _nodes(children))), span=_span(children)))

    def rolling(self, children: "Sequence[object]") -> Tree:
        direction, count, unit = (cast(Token, child) for child in children)
        value = _decimal(count)
        most = LONGEST_SPAN[_unit(unit)]
        if value != value.to_integral_value() or not 1 <= value <= most:
            return cast(
                Tree,
                _wrong(
                    Diagnostic(
                        "bad-period",
                        f"A period has a whole number of {unit.lower()}, from 1 to {most:,}.",
                        _span([count]),
                    )
                ),
            )
        return cast(
            Tree,
            ast.Rolling(
                "LAST" if direction.upper() == "LAST" else "NEXT",
                int(value),
                cast(ast.Unit, _unit(unit) + "S"),
                span=_span(children),
            ),
        )

    def calendar(self, children: "Sequence[object]") -> Tree:
        which, unit = (cast(Token, child) for child in children)
        name = _unit(unit)
        if name == "DAY":
            return cast(
                Tree,
                _wrong(
                    Diagnostic(
                        "bad-period",
                        "For one day, compare with today, yesterday or tomorrow.",
                        _span(children),
                        hint="For example payment.date = yesterday, or payment.date IN LAST 1 DAYS.",
                    )
                ),
            )
        return cast(Tree, ast.Calendar(which.upper(), name, span=_span(children)))  # type: ignore[arg-type]

    def arithmetic(self, children: "Sequence[object]") -> Tree:
        left, right = map(_operand, _nodes(children))
        return ast.Arithmetic(str(children[1]), left, right, span=_span(children))  # type: ignore[arg-type]

    def negative(self, children: "Sequence[object]") -> Tree:
        operand, span = _operand(_nodes(children)[0]), _span(children)
        match operand:
            case ast.Number(value):
                return ast.Number(value.copy_negate() if value else value, span=span)
            case ast.Percent(value):
                return ast.Percent(value.copy_negate() if value else value, span=span)
            case ast.Money(amount, currency):
                return ast.Money(amount.copy_negate() if amount else amount, currency, span=span)
            case ast.Negative(inner):
                return inner
            case _:
                return ast.Negative(operand, span=span)

    def number(self, children: "Sequence[object]") -> Tree:
        return _too_long(children) or ast.Number(_decimal(cast(Token, children[0])), span=_span(children))

    def percent(self, children: "Sequence[object]") -> Tree:
        return _too_long(children) or ast.Percent(_decimal(cast(Token, children[0])), span=_span(children))

    def money(self, children: "Sequence[object]") -> Tree:
        amount, currency = (cast(Token, child) for child in children)
        return _too_long(children) or ast.Money(_decimal(amount), currency.upper(), span=_span(children))

    def duration(self, children: "Sequence[object]") -> Tree:
        count, unit = (cast(Token, child) for child in children)
        value = _decimal(count)
        most = LONGEST_SPAN[_unit(unit)]
        if value != value.to_integral_value() or value > most:
            return cast(
                Tree,
                _wrong(
                    Diagnostic(
                        "bad-period",
                        f"A span of time has a whole number of {unit.lower()}, up to {most:,}.",
                        _span([count]),
                    )
                ),
            )
        return ast.Duration(int(value), cast(ast.Unit, _unit(unit) + "S"), span=_span(children))

    def day(self, children: "Sequence[object]") -> Tree:
        span = _span(children)
        try:
            return ast.Day(date.fromisoformat(str(children[0])), span=span)
        except ValueError:
            return cast(
                Tree,
                _wrong(
                    Diagnostic(
                        "bad-date",
                        f"There is no day {children[0]}.",
                        span,
                        hint="Dates are written year-month-day: 2026-01-31.",
                    )
                ),
            )

    def text(self, children: "Sequence[object]") -> Tree:
        token = str(children[0])
        quote = token[0]
        return ast.Text(token[1:-1].replace(quote * 2, quote), span=_span(children))

    def relative_day(self, children: "Sequence[object]") -> Tree:
        offset = {"YESTERDAY": -1, "TODAY": 0, "TOMORROW": 1}[str(children[0]).upper()]
        return ast.Today(offset, span=_span(children))

    def flag(self, children: "Sequence[object]") -> Tree:
        return ast.Flag(str(children[0]).upper() == "TRUE", span=_span(children))

    def missing_word(self, children: "Sequence[object]") -> Tree:
        return _MissingWord(span=_span(children))

    def parameter(self, children: "Sequence[object]") -> Tree:
        return ast.Parameter(str(children[0])[1:], span=_span(children))

    def parenthesised(self, children: "Sequence[object]") -> Tree:
        return replace(_nodes(children)[0], span=_span(children))

    def name(self, children: "Sequence[object]") -> Tree:
        words = [str(child).lower() for child in children if child != "."]
        span = _span(children)
        if "custom" in words[:2]:
            place = words.index("custom")
            words[place:] = [".".join(words[place:])]
        if len(words) > 2:
            return cast(
                Tree,
                _wrong(
                    Diagnostic(
                        "bad-name",
                        "A field is written entity.field, such as invoice.balance.",
                        span,
                        hint=f"Is {'.'.join(words[-2:])} meant?",
                    )
                ),
            )
        return ast.Name(words[0] if len(words) == 2 else None, words[-1], span=span)

    def count(self, children: "Sequence[object]") -> Tree:
        body = _nodes(children)
        entity = cast(Token, children[2])
        where = _condition(body[0]) if body else None
        return ast.Aggregate("COUNT", entity.lower(), None, where, span=_span(children), name_span=_span([entity]))

    def reduce(self, children: "Sequence[object]") -> Tree:
        function = str(children[0]).upper()
        name, *body = _nodes(children)
        if not isinstance(name, ast.Name):
            return name
        if name.entity is None:
            return _bare_aggregate(function, name)
        where = _condition(body[0]) if body else None
        return ast.Aggregate(
            function,  # type: ignore[arg-type]
            name.entity,
            name.field,
            where,
            span=_span(children),
            name_span=name.span,
        )

    def first(self, children: "Sequence[object]") -> Tree:
        keys = tuple(child for child in children if isinstance(child, ast.SortKey))
        name, *body = [node for node in _nodes(children) if not isinstance(node, ast.SortKey)]
        if not isinstance(name, ast.Name):
            return name
        if name.entity is None:
            return _bare_aggregate("FIRST", name)
        where = _condition(body[0]) if body else None
        return ast.First(name.entity, name.field, where, keys, span=_span(children), name_span=name.span)

    def sort_key(self, children: "Sequence[object]") -> Tree:
        name = _nodes(children)[0]
        if not isinstance(name, ast.Name):
            return name
        return cast(Tree, ast.SortKey(name, "DESC" in _words(children[1:]), span=_span(children)))


def _bare_aggregate(function: str, name: ast.Name) -> Tree:
    return cast(
        Tree,
        _wrong(
            Diagnostic(
                "aggregate-field",
                f"{function} needs a field of an entity, such as {function}(invoice.balance).",
                name.span,
                hint="To count rows write COUNT(invoice).",
            )
        ),
    )


@dataclass(frozen=True, slots=True)
class _List(ast.Node):
    values: tuple[ast.Operand, ...]


def _list(node: object) -> tuple[ast.Operand, ...]:
    return node.values if isinstance(node, _List) else ()


# ---------------------------------------------------------------- limits


def children_of(node: ast.Node) -> Iterator[ast.Node]:
    for name in _child_fields(cast(Hashable, type(node))):
        value = getattr(node, name)
        if isinstance(value, ast.Node):
            yield value
        elif isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, ast.Node))


@cache
def _child_fields(kind: Hashable) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cast(type[ast.Node], kind)) if not field.name.endswith("span"))


def walk(node: ast.Node) -> Iterator[tuple[ast.Node, int]]:
    """Every node with its depth, without recursion: a hostile filter must not exhaust the stack."""
    stack = [(node, 1)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        stack += [(child, depth + 1) for child in children_of(node)]


def _wrong_nodes(tree: ast.Node) -> list[Diagnostic]:
    return [node.diagnostic for node, _ in walk(tree) if isinstance(node, _Wrong)]


def _over_limits(tree: ast.Node, limits: Limits) -> Iterator[Diagnostic]:
    conditions = 0
    scopes = 0
    for node, depth in walk(tree):
        if depth == limits.depth + 1:
            yield _limit("The filter is nested too deeply", f"{limits.depth} levels", node.span)
            return
        conditions += isinstance(node, _LEAF_CONDITIONS)
        scopes += isinstance(node, ast.Block | ast.Aggregate | ast.First)
        if isinstance(node, ast.In | ast.Has) and len(node.values) > limits.values:
            yield _limit(f"The list has {len(node.values):,} values", f"{limits.values:,}", node.span)
        if isinstance(node, ast.First) and len(node.by) > limits.keys:
            yield _limit(f"FIRST is sorted by {len(node.by):,} fields", f"{limits.keys}", node.span)
    if conditions > limits.conditions:
        yield _limit(f"The filter has {conditions:,} conditions", f"{limits.conditions:,}", tree.span)
    if scopes > limits.scopes:
        yield _limit(f"The filter has {scopes} blocks and aggregates", f"{limits.scopes}", tree.span)


_LEAF_CONDITIONS = (
    ast.Comparison, ast.Between, ast.In, ast.InPeriod, ast.InSegment, ast.Has, ast.Missing, ast.Bare,
)  # fmt: skip


def _limit(what: str, most: str, span: Span) -> Diagnostic:
    return Diagnostic(
        "too-large",
        f"{what}; at most {most} are allowed.",
        span,
        hint="Split the filter, or raise the limit in the settings.",
    )


# ---------------------------------------------------------------- syntax errors in the analyst's words

# What people bring from other languages, and what it is called here.
_FOREIGN = {
    "==": "=", "<>": "!=", "≠": "!=", "≥": ">=", "≤": "<=", "&&": "AND", "||": "OR", "&": "AND", "|": "OR",
    "=>": ">=", "=<": "<=", "like": "CONTAINS", "ilike": "CONTAINS", "exists": "ANY", "!": "NOT ", ";": "",
}  # fmt: skip
_QUOTES = "\u2018\u2019\u201c\u201d\u201e"
_SYMBOLS = {"€": "EUR", "£": "GBP", "$": "USD"}
_REWRITES: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    ("Write straight quotes", re.compile(f"[{_QUOTES}]([^{_QUOTES}]*)[{_QUOTES}]"), lambda it: quoted(it[1])),
    ("Write the currency's code", re.compile(r"([€£$]) ?(\d+(?:\.\d+)?k?)\b"), lambda it: f"{it[2]} {_SYMBOLS[it[1]]}"),
    ("Put a space between", re.compile(r"(\d+(?:\.\d+)?)([A-Za-z]{3})\b"), lambda it: f"{it[1]} {it[2].upper()}"),
)  # fmt: skip
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)")

_SAID = {
    "_AND": "AND", "_OR": "OR", "_IN": "IN", "_IS": "IS", "_HAS": "HAS", "_BETWEEN": "BETWEEN", "_WITH": "WITH",
    "_WHERE": "WHERE", "_BY": "BY", "STARTS": "STARTS WITH", "ENDS": "ENDS WITH", "MISSING": "MISSING", "NOT": "NOT",
    "CONTAINS": "CONTAINS", "ANY": "ANY", "ALL": "ALL", "NO": "NO", "DESC": "DESC", "LAST": "LAST", "NEXT": "NEXT",
    "THIS": "THIS",
    "SEGMENT": "SEGMENT", "UNIT": "a unit of time (DAYS, WEEKS, MONTHS, YEARS)", "QUARTER": "QUARTER", "NAME": "a name",
    "LPAR": "(", "RPAR": ")", "COMMA": ",", "NUMBER": "a number", "CURRENCY": "a currency",
}  # fmt: skip
# Where a comparison may follow, so may all of these.
_OPERATORS = {"NOT", "CONTAINS", "STARTS WITH", "ENDS WITH", "BETWEEN", "IN", "HAS", "IS"}
_AN_OPERATOR = "an operator (= != < <= > >=, BETWEEN, IN, CONTAINS, STARTS WITH, ENDS WITH, HAS, IS)"
_STARTS_VALUE = {"TEXT", "DATE", "PERCENT", "TODAY", "TRUE", "PARAMETER", "COUNT", "REDUCE", "FIRST"}
_TYPABLE = {"AND", "OR", "IN", "IS", "HAS", "BETWEEN", "WITH", "WHERE", "BY", "STARTS", "ENDS", "MISSING", "NOT",
            "CONTAINS", "ANY", "ALL", "NONE", "DESC", "LAST", "NEXT", "THIS", "DAYS", "WEEKS", "MONTHS", "YEARS",
            "SEGMENT", "QUARTER", "WEEK", "MONTH", "YEAR"}  # fmt: skip
_WORD = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\w+|==|<>|=>|=<|&&|\|\||\S", re.ASCII)


def _syntax_error(text: str, error: UnexpectedInput) -> Diagnostic:
    place = error.pos_in_stream
    ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    if ended or not isinstance(place, int) or place >= len(text):
        return _ended_early(text)
    found = _WORD.match(text, place)
    if text[place] in "'\"" and found and len(found.group()) == 1:
        return Diagnostic(
            "open-text",
            "This text has no closing quote.",
            Span(place, len(text)),
            fixes=(Fix("Close the quote", Span(len(text), len(text)), text[place]),),
        )
    if place and text[place - 1 : place + 1] in ("==", "<>", "=<", "=>"):
        place -= 1
        found = _WORD.match(text, place)
    word = found.group() if found else text[place]
    span = Span(place, place + len(word))
    expected = _expected(text[:place])
    return Diagnostic(
        "syntax",
        f"{_quoted(word)} cannot stand here.",
        span,
        hint=f"Expected {_listed(expected)}." if expected else None,
        expected=expected,
        fixes=_rewrites(text, place) or _spelling_fixes(word, span, expected),
    )


def _ended_early(text: str) -> Diagnostic:
    expected = _expected(text)
    end = len(text.rstrip())
    unquoted = _QUOTED.sub("", text)
    missing = ")" * (unquoted.count("(") - unquoted.count(")"))
    fixes = (Fix("Close the bracket", Span(end, end), missing),) if ")" in expected else ()
    return Diagnostic(
        "incomplete",
        "The filter ends too early.",
        Span(max(end - 1, 0), end),
        hint=f"Expected {_listed(expected)}.",
        expected=expected,
        fixes=fixes,
    )


def _rewrites(text: str, place: int) -> tuple[Fix, ...]:
    """How a thing that is written otherwise elsewhere is written here."""
    for title, pattern, written in _REWRITES:
        if found := pattern.match(text, place):
            return (Fix(title, Span(*found.span()), written(found)),)
    amounts = [found for found in _THOUSANDS.finditer(text) if found.start() < place < found.end()]
    return tuple(Fix("Leave the commas out", Span(*found.span()), found.group().replace(",", "")) for found in amounts)


def _spelling_fixes(word: str, span: Span, expected: tuple[str, ...]) -> tuple[Fix, ...]:
    foreign = _FOREIGN.get(word.lower())
    if foreign is not None:
        return (Fix(f"Write {foreign.strip()}" if foreign else "Leave it out", span, foreign),)
    usable = _TYPABLE & {keyword for said in expected for keyword in re.findall("[A-Z]+", said)}
    guesses = did_you_mean(word, usable - {word.upper()})
    return tuple(Fix(f"Did you mean {guess}?", span, guess) for guess in guesses)


def _expected(before: str) -> tuple[str, ...]:
    """What may follow, as a person would say it; that one may also calculate goes without saying."""
    parser = _lark().parse_interactive(before)
    try:
        parser.exhaust_lexer()
    except UnexpectedInput:
        return ()
    names: set[str] = parser.accepts()  # type: ignore[no-untyped-call]
    said = {_SAID[name] for name in names if name in _SAID}
    if names & _STARTS_VALUE:
        said = {"a field or value"}
    if "COMPARE" in names:
        said = said - _OPERATORS | {_AN_OPERATOR}
    return tuple(sorted(said, key=lambda word: (word[0].islower(), word)))


def _listed(words: Sequence[str]) -> str:
    said = [word if len(word) > 1 else f"'{word}'" for word in words]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} or {said[-1]}" if said else "nothing more"


def _quoted(word: str) -> str:
    return (word if word[0] in "'\"" else f"'{word[:40]}'") if word.isprintable() else "This character"


_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_BOUNDARY = re.compile(rf"{_QUOTED.pattern}|\b(?:and|or)\b", re.IGNORECASE)
# After the AND of a BETWEEN that went wrong: a value, which is no condition of its own.
_LONE_VALUE = re.compile(
    rf"\s*(?:-?[0-9][\w.% -]*?|{_QUOTED.pattern}|today|yesterday|tomorrow)\s*(?:\b(?:and|or)\b|\Z)", re.IGNORECASE
)


def _around(text: str, place: int) -> tuple[str, str]:
    """The text before and after the condition in which a syntax error lies, blanked elsewhere to keep the offsets."""
    words = [match for match in _BOUNDARY.finditer(text) if match.group()[0] not in "'\""]
    before = max((match.start() for match in words if match.end() <= place), default=0)
    later = (match.end() for match in words if match.start() >= place)
    after = next((end for end in later if not _LONE_VALUE.match(text, end)), len(text))
    return _balanced(text[:before]), _balanced(" " * after + text[after:])


def _balanced(piece: str) -> str:
    return piece if piece.count("(") == piece.count(")") else ""
