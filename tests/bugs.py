"""Bugs that would send a letter to the wrong company, or none to the right one: each one edit of one module.

`told_by` is the filter that tells it from the product as it should be, asked of the ledger of traps below.
"""

from csv import DictReader
from dataclasses import dataclass
from datetime import date, timedelta

from dsl.checker import Level
from tests.oracle.ledger import Company, Rows
from tests.oracle.random_ledgers import Case
from tests.worlds import TODAY

BEFORE = TODAY - timedelta(16)

# ---------------------------------------------------------------- a ledger of traps

EDGES = (0, 1, 30, 31, 45, 46, 60, 61, 90, 91)


def _days_ago(days: int) -> date:
    return TODAY - timedelta(days)


# A has two invoices that only together are over 1000 and 30 days late, B has one that is both.
# H is paid after the earlier day, U has money that no rate converts, E has nothing at all.
LEDGER = {
    "groups": "source_id,chasing_paused,credit_limit,parent\nG,true,,A\nH,,1000,\nI,,,\n",
    "customers": f"""source_id,name,group,currency,rating,account_owner,credit_limit,strike,chasing_paused,\
chasing_paused_until,tags
A,Acme GmbH,G,EUR,A,Kim,1000,1,,,VIP
B,Beta gmbh,H,EUR,B,,,,,,
C,Carl,H,USD,C,Lee,500,3,true,{TODAY},Retail|VIP
D,Delta,,EUR,D,Kim,0,2,true,{_days_ago(1)},
E,Echo,,EUR,D,,2000,,,,
F,Foxtrot,,EUR,C,,,,,,
H,Hotel,,EUR,C,,,,,,
U,Uniform,I,EUR,C,,,,,,
K,Kilo,,EUR,,,,,,,
K1,Kilo 1,,EUR,,,,,,,
K10,Kilo 10,,EUR,,,,,,,
W,Whisky,I,EUR,C,,,,,,
"""
    + "".join(f"N{days},Edge {days},,EUR,,,,,,,\n" for days in EDGES),
    "invoices": f"""source_id,customer_id,issue_date,due_date,amount,balance,currency,status
a1,A,2026-03-01,{_days_ago(10)},2000,2000,EUR,
a2,A,2026-01-01,{_days_ago(60)},100,100,EUR,
b1,B,2026-01-01,{_days_ago(45)},1500,1500,EUR,
b2,B,2026-03-01,2026-04-10,1000,1000,EUR,
b3,B,2026-03-01,2026-04-10,500,500,EUR,disputed
c1,C,2026-03-01,{_days_ago(5)},1000,1000,USD,
c2,C,2026-03-01,{_days_ago(5)},100,100,EUR,
d1,D,2026-01-01,{_days_ago(20)},700,700,EUR,void
d2,D,2026-03-30,{_days_ago(1)},10,10,EUR,
f1,F,2026-02-01,2026-03-01,300,300,EUR,
f2,F,2026-02-01,2026-03-01,200,200.0001,EUR,
f3,F,2026-02-01,,50,0,EUR,
h1,H,2026-01-05,2026-02-05,800,,EUR,
w1,W,2025-03-31,2025-04-30,60,0,EUR,
w2,W,2025-04-01,2025-04-30,70,70,EUR,
k1,K,2026-02-01,2026-02-27,5,5,EUR,
k2,K1,2026-03-01,2026-04-05,5,5,EUR,
"""
    + "".join(f"n{days},N{days},2025-12-01,{_days_ago(days)},100,100,EUR,\n" for days in EDGES),
    "payments": f"""source_id,customer_id,date,amount,unallocated,currency,status
a5,A,2026-03-01,500,50,EUR,
b5,B,{_days_ago(89)},600,0,EUR,
b6,B,{_days_ago(90)},600,0,EUR,
d5,D,2026-03-01,400,400,EUR,void
h5,H,2026-03-20,800,,EUR,
""",
    "allocations": "payment_id,invoice_id,amount,date\nh5,h1,800,2026-03-20\n",
    "credit_notes": """source_id,customer_id,issue_date,amount,remaining,currency,status
d7,D,2026-03-01,600,600,EUR,voided
u7,U,2026-03-01,1000,1000,JPY,
u8,U,2026-03-01,5,5,EUR,
""",
    "promises": f"""source_id,customer_id,due_date,amount,made_on,status,currency
d9,D,{TODAY},100,2026-03-01,active,EUR
f9,F,{_days_ago(1)},100,2026-03-01,active,EUR
""",
    "fx_rates": "currency,date,rate\nUSD,2026-01-01,0.5\nUSD,2026-03-01,0.8\nUSD,2026-04-15,2\nJPY,2026-04-15,0.01\n",
}


def case_of_traps(as_of: date = TODAY) -> Case:
    rows: Rows = {name: list(DictReader(text.splitlines())) for name, text in LEDGER.items()}
    return Case(Company("Traps", "EUR", "DE", "Europe/Berlin"), rows, TODAY, as_of)


# ---------------------------------------------------------------- bugs


@dataclass(frozen=True)
class Bug:
    """`module` with `right` in its source, which stands there once, made `wrong`."""

    name: str
    harm: str
    module: str
    right: str
    wrong: str
    told_by: str
    level: Level = "customer"
    as_of: date = TODAY


def _bucket(first: int, name: str, told_by: str) -> Bug:
    return Bug(
        f"aging bucket {name} begins a day early",
        "the letter of a later stage goes out a day before its time",
        "dsl.catalog",
        f'({first}, "{name}")',
        f'({first - 1}, "{name}")',
        told_by,
    )


def _sums(name: str, right: str, wrong: str, told_by: str) -> Bug:
    harm = "customers are chosen by a sum of the wrong invoices"
    return Bug(name, harm, "migrations.versions.0004_metrics", right, wrong, told_by)


def _documents(name: str, harm: str, right: str, wrong: str, told_by: str, as_of: date = TODAY) -> Bug:
    return Bug(name, harm, "migrations.versions.0002_views", right, wrong, told_by, as_of=as_of)


BUGS: tuple[Bug, ...] = (
    # -------- which row
    Bug(
        "any row instead of the same row",
        "chases a customer whose large invoice is not the late one",
        "dsl.lowering",
        "parts = _sharing_rows(items, owner, bound)",
        "parts = [[item] for item in items]",
        "invoice.balance > 1000 AND invoice.days_overdue > 30",
    ),
    Bug(
        "an alternative without rows is lost",
        "a customer without invoices is never written to, though the filter names its rating",
        "dsl.lowering",
        "return either([Exists(row, inside), _bind(_without(condition, row), owner, bound)])",
        "return Exists(row, inside)",
        "(invoice.balance > 1000 OR customer.rating = 'D') AND (invoice.is_overdue OR customer.credit_limit = 2000)",
    ),
    Bug(
        "NOT is about some row, not about none",
        "chases a customer that has a disputed invoice",
        "dsl.lowering",
        "return Not(bind(inner, owner), span)",
        "return condition",
        "NOT invoice.status = 'disputed'",
    ),
    Bug(
        "NO is ANY",
        "chases exactly those who have paid",
        "dsl.compiler",
        'case typed.Block("NO", row, inner):\n                return ~self.exists(row, inner)',
        'case typed.Block("NO", row, inner):\n                return self.exists(row, inner)',
        "NO payment (amount > 0)",
    ),
    Bug(
        "ALL holds where there is no row",
        "chases a customer without a single invoice",
        "dsl.compiler",
        "return sa.and_(self.exists(row, typed.TRUE), ~self.exists(row, typed.Not(inner)))",
        "return ~self.exists(row, typed.Not(inner))",
        "ALL invoice (balance > 50) AND customer.source_id != 'X'",
    ),
    Bug(
        "AND is OR",
        "chases whoever meets one of the conditions",
        "dsl.compiler",
        "return sa.and_(*map(self.predicate, items))",
        "return sa.or_(*map(self.predicate, items))",
        "customer.rating = 'D' AND customer.account_owner = 'Kim'",
    ),
    Bug(
        "a block is about everyone's rows",
        "chases a customer for an invoice of another",
        "dsl.compiler",
        "return self.owner_key(frame) == key",
        "return self.owner_key(frame) == self.owner_key(frame)",
        "ANY invoice (balance > 1400)",
    ),
    Bug(
        "matching invoices meet one of the conditions only",
        "the letter lists invoices that are not late",
        "dsl.matching",
        "return both([either(parts), *pins])",
        "return either(parts)",
        "invoice.balance > 400 AND invoice.days_overdue > 30",
    ),
    Bug(
        "invoices shown by default are not only the open ones",
        "the letter lists what has been paid",
        "dsl.matching",
        'return Holds(typed.FieldOf(self.row, fields["is_open"]))',
        "return typed.TRUE",
        "customer.rating = 'C'",
    ),
    Bug(
        "recent payments reach back a day too far",
        "thanks for a payment that is not recent",
        "dsl.matching",
        "1 - RECENT_DAYS",
        "-RECENT_DAYS",
        "customer.rating = 'B'",
    ),
    # -------- which company, which group
    Bug(
        "no company condition on the relation of a row",
        "one company reads the ledger of another as soon as row-level security is off",
        "dsl.frames",
        "tied = [] if self.company is None else [self.table.c.company_id == self.company]",
        "tied: list[Test] = []",
        "invoice.balance > 1000",
    ),
    Bug(
        "no company condition on metrics",
        "a customer is judged by the sums of another company's customer of that number",
        "dsl.frames",
        "conditions = [table.c.company_id == self.inner_company]",
        "conditions: list[Test] = []",
        "customer.balance_overdue > 1000",
    ),
    Bug(
        "a group comes to what all customers come to",
        "chases a small group for everyone's debts",
        "dsl.compiler",
        "conditions = [self.link(frame), self.predicate(node.where)]\n            value = self.reduced(node).numerator",
        "conditions = [self.predicate(node.where)]\n            value = self.reduced(node).numerator",
        "COUNT(customer) = group.members_count",
        level="group",
    ),
    Bug(
        "the pause of a group is not heeded",
        "writes to the members of a group whose chasing is paused",
        "dsl.pauses",
        'return either([_flag(row), _flag(Row(catalog.entities["group"], Role.AT_HAND, owner=row))])',
        "return _flag(row)",
        "invoice.balance > 0",
    ),
    Bug(
        "a pause ends on its last day",
        "writes on a day on which it was promised not to",
        "dsl.catalog",
        "sa.func.coalesce(until >= at.as_of, sa.true())",
        "sa.func.coalesce(until > at.as_of, sa.true())",
        "customer.chasing_paused",
    ),
    # -------- comparisons
    Bug(
        ">= is >",
        "an invoice of exactly the limit is missed",
        "dsl.operators",
        "lambda a, b: a >= b",
        "lambda a, b: a > b",
        "ANY invoice (balance >= 1500)",
    ),
    Bug(
        "BETWEEN leaves out its end",
        "an invoice of exactly the upper limit is missed",
        "dsl.compiler",
        "self.compare(LESS_OR_EQUAL, operand, high)",
        "self.compare(LESS, operand, high)",
        "ANY invoice (balance BETWEEN 1400 AND 1500)",
    ),
    Bug(
        "days overdue are counted from the day before",
        "the reminder goes out a day early",
        "dsl.compiler",
        "self.as_of + days if age.ahead else self.as_of - days",
        "self.as_of + days if age.ahead else self.as_of - days + 1",
        "ANY invoice (days_overdue > 60)",
    ),
    Bug(
        "a number on the left is compared the wrong way round",
        "reminds of what is due today of payments far off",
        "dsl.compiler",
        "    LESS: MORE,\n",
        "    LESS: LESS,\n",
        "ANY invoice (3 < days_until_due)",
    ),
    Bug(
        "ratings are in reverse order",
        "chases the best customers instead of the worst",
        "dsl.compiler",
        "if test(number, place)",
        "if test(place, number)",
        "customer.rating >= 'C'",
    ),
    Bug(
        "two values of one shape share a parameter",
        "the limit of one condition is applied to another",
        "dsl.shapes",
        "name = str(len(values) + 1)",
        'name = "1"',
        "customer.credit_limit > 600 AND customer.strike < 4",
    ),
    Bug(
        "search regards letter case",
        "a customer written in capitals is missed",
        "dsl.operators",
        'return sa.func.lower(sa.collate(value, "default"))',
        "return value",
        "customer.name CONTAINS 'gmbh'",
    ),
    # -------- missing values
    Bug(
        "a negative operator leaves out the missing",
        "customers without an owner are never chased",
        "dsl.compiler",
        "return positive.is_not(sa.true()) if node.negated else positive",
        "return ~positive if node.negated else positive",
        "customer.account_owner != 'Kim'",
    ),
    Bug(
        "NOT IN leaves out the missing",
        "customers without a strike are never chased",
        "dsl.compiler",
        "case typed.Not(inner):\n                return self.predicate(inner).is_not(sa.true())",
        "case typed.Not(inner):\n                return ~self.predicate(inner)",
        "NOT customer.strike IN (1, 2)",
    ),
    Bug(
        "HAS ALL is HAS ANY",
        "a letter for those with both tags goes to those with one",
        "dsl.operators",
        'a.op("@>")(values)',
        'a.op("&&")(values)',
        "customer.tags HAS ALL ('VIP', 'Retail')",
    ),
    Bug(
        "a missing number is 0",
        "chases customers without a limit for being over it",
        "dsl.compiler",
        "return Quantity(self.field(row, found), SCALE if",
        "return Quantity(sa.func.coalesce(self.field(row, found), 0), SCALE if",
        "customer.credit_limit < 100",
    ),
    # -------- aggregates
    Bug(
        "the count counts a customer once for each invoice",
        "the page says more customers than the letter goes to",
        "dsl.compiler",
        "number = sa.func.count(compiler.owner_key(root).distinct())",
        "number = sa.func.count(compiler.owner_key(root))",
        "ANY invoice (balance > 0)",
    ),
    Bug(
        "a sum is partial where a rate is missing",
        "chases for a total that is not known",
        "dsl.compiler",
        "amount = sa.case((self.is_given(node.operand.operand), sa.func.coalesce(value, _NAN)))",
        "amount = value",
        "SUM(credit_note.amount) < 100",
    ),
    Bug(
        "averages are cut off",
        "a customer on the edge is missed",
        "dsl.compiler",
        "result = half_up(total, exact(sa.func.nullif(sa.func.count(value), 0)))",
        "result = sa.func.div(total, exact(sa.func.nullif(sa.func.count(value), 0)))",
        "AVG(invoice.balance WHERE balance > 0) = 250.0001",
    ),
    Bug(
        "a percentage is its points",
        "chases only those who owe fifty times as much",
        "dsl.constants",
        "return None if points is None else points / 100",
        "return points",
        "customer.balance_overdue > 50% * customer.balance_total",
    ),
    Bug(
        "FIRST takes the last",
        "the stage is chosen by the newest invoice instead of the oldest",
        "dsl.compiler",
        "(key.desc() if descending else key.asc()).nulls_last() for",
        "(key.asc() if descending else key.desc()).nulls_last() for",
        "FIRST(invoice.balance BY due_date) = 100",
    ),
    Bug(
        "FIRST takes rows without the key first",
        "the stage is chosen by an invoice that was never due",
        "dsl.compiler",
        ").nulls_last() for key, descending in keys",
        ").nulls_first() for key, descending in keys",
        "FIRST(invoice.balance BY due_date) = 300",
    ),
    Bug(
        "FIRST breaks ties the other way",
        "the same question is answered by another invoice",
        "dsl.compiler",
        'return [*ordered, sa.collate(frame.column("source_id"), "C")]',
        'return [*ordered, sa.collate(frame.column("source_id"), "C").desc()]',
        "FIRST(invoice.balance BY due_date) = 300",
    ),
    Bug(
        "a page begins with the last one of the page before",
        "a customer gets the letter twice",
        "dsl.compiler",
        'key > sa.bindparam("after", seen.source_id, sa.Text)',
        'key >= sa.bindparam("after", seen.source_id, sa.Text)',
        "customer.rating = 'C'",
    ),
    Bug(
        "a page skips one with the same beginning",
        "a customer between two pages is never written to",
        "dsl.compiler",
        'key > sa.bindparam("after", seen.source_id, sa.Text)',
        'key > sa.bindparam("after", seen.source_id, sa.Text) + "~"',
        "customer.name STARTS WITH 'Kilo'",
    ),
    # -------- English
    Bug(
        "NO is read as one",
        "who checks the sentence agrees to the opposite",
        "dsl.explainer",
        'return self.having(row, f"no {row.entity.english}", inner)',
        'return self.having(row, f"one {row.entity.english}", inner)',
        "NO payment (amount > 0)",
    ),
    Bug(
        "ALL is read as one",
        "who checks the sentence agrees to less than is asked",
        "dsl.explainer",
        'f"one or more {_plural(row)}, each one"',
        'f"one {row.entity.english}"',
        "ALL invoice (balance > 50) AND customer.source_id != 'X'",
    ),
    # -------- days
    Bug(
        "due today is overdue",
        "chases on the day on which payment is due",
        "dsl.catalog",
        'return sa.and_(_is_open(at), at.row("due_date") < at.as_of)',
        'return sa.and_(_is_open(at), at.row("due_date") <= at.as_of)',
        "ANY invoice (is_overdue)",
    ),
    _bucket(91, "91+", "ANY invoice (aging = '91+')"),
    _bucket(61, "61-90", "ANY invoice (aging = '61-90')"),
    _bucket(31, "31-60", "ANY invoice (aging = '31-60')"),
    _bucket(1, "1-30", "ANY invoice (aging = '1-30')"),
    Bug(
        "LAST n DAYS has a day more",
        "a customer that paid before the period is left out",
        "dsl.checker",
        'return typed.Shifted(typed.Shifted(typed.OnDay(0), -period.count, period.unit), 1, "DAYS"), typed.OnDay(0)',
        "return typed.Shifted(typed.OnDay(0), -period.count, period.unit), typed.OnDay(0)",
        "COUNT(payment WHERE date IN LAST 90 DAYS) = 1",
    ),
    Bug(
        "weeks begin on Sunday",
        "the weekly run misses what is due on Sunday",
        "dsl.calendar",
        "7 * steps - as_of.weekday()",
        "7 * steps - (as_of.weekday() + 1) % 7",
        "ANY invoice (due_date IN THIS WEEK)",
    ),
    Bug(
        "a month from the 31st is a day short",
        "the window of a month loses its last day",
        "dsl.calendar",
        "timedelta(days=min(day.day, length) - 1)",
        "timedelta(days=min(day.day, length - 1) - 1)",
        "ANY invoice (due_date >= today - 1 month)",
    ),
    # -------- sums of documents
    _sums(
        "due today counts as overdue",
        'OVERDUE = f"d.due_date < {AS_OF}"',
        'OVERDUE = f"d.due_date <= {AS_OF}"',
        "customer.open_invoices_overdue = 1",
    ),
    _sums(
        "the 31-45 days begin a day early",
        "overdue_between(31, 45)",
        "overdue_between(30, 45)",
        "customer.balance_overdue_31_45 > 0",
    ),
    _sums(
        "the 61-90 days end a day early",
        "overdue_between(61, 90)",
        "overdue_between(61, 89)",
        "customer.balance_overdue_61_90 > 0",
    ),
    _sums(
        "the 91st day is not 91 days and over",
        "{DAYS_OVERDUE} >= 91",
        "{DAYS_OVERDUE} > 91",
        "customer.balance_overdue_91_over > 0",
    ),
    _sums(
        "twelve months have a day more",
        "d.issue_date > {TWELVE_MONTHS}",
        "d.issue_date >= {TWELVE_MONTHS}",
        "customer.amount_invoiced_12m = 70",
    ),
    _sums(
        "void invoices are open",
        "OPEN = \"d.balance <> 0 AND d.status NOT IN ('void', 'closed')\"",
        'OPEN = "d.balance <> 0"',
        "customer.open_invoices = 1",
    ),
    _sums(
        "voided credit notes count",
        "CREDIT_COUNTS = \"d.status NOT IN ('voided', 'refunded')\"",
        'CREDIT_COUNTS = "true"',
        "customer.balance_total > 0",
    ),
    _sums(
        "foreign money is not converted",
        'return str(converted(money, "c.currency"))',
        'return f"({money})::numeric"',
        "customer.balance_overdue BETWEEN 1110 AND 1150",
    ),
    _sums(
        "a group's sum is partial where a rate is missing",
        'return f"CASE WHEN count({column}) = count(*) THEN coalesce(sum({column}), 0) END"',
        'return f"coalesce(sum({column}), 0)"',
        "group.balance_total < 100",
    ),
    _documents(
        "void payments count",
        "a customer that has not paid is taken for one that has",
        "PAID = \"d.status = 'paid'\"",
        "PAID = \"d.status IN ('paid', 'void')\"",
        "customer.total_unallocated > 0",
    ),
    _documents(
        "the rate of a later day",
        "foreign debts are valued at a rate that nobody knew",
        "WHERE f.date <= {AS_OF}",
        "WHERE true",
        "customer.balance_overdue BETWEEN 1110 AND 1150",
    ),
    _documents(
        "the first rate instead of the latest",
        "foreign debts are valued at a rate of long ago",
        "ORDER BY r.company_id, r.currency, r.date DESC",
        "ORDER BY r.company_id, r.currency, r.date = 'infinity' DESC, r.date",
        "customer.balance_overdue BETWEEN 1110 AND 1150",
    ),
    _documents(
        "a past day knows of later allocations",
        "a question about a past day is answered from today's balances",
        "i.balance + coalesce(later.amount, 0) AS balance",
        "i.balance::numeric AS balance",
        "ANY invoice (balance = 800)",
        BEFORE,
    ),
    _documents(
        "a past day knows of later documents",
        "a forecast is compared with invoices that were not there",
        'FROM payment p {later_allocations("p", "source_customer_id", "payment")}\n    WHERE p.date <= {AS_OF}',
        'FROM payment p {later_allocations("p", "source_customer_id", "payment")}',
        "ANY payment (amount = 800)",
        BEFORE,
    ),
    _documents(
        "a promise is broken on its day",
        "chases before the promised day is over",
        "p.status = 'active' AND p.due_date < {AS_OF}",
        "p.status = 'active' AND p.due_date <= {AS_OF}",
        "ANY promise (status = 'broken')",
    ),
)


# What must be read, word for word.
ENGLISH = {
    "NO payment (amount > 0)": "Customers with no payment whose amount is over 0.",
    "ALL invoice (balance > 50) AND customer.source_id != 'X'": (
        "Customers with one or more invoices, each one whose balance is over 50, and whose source ID is not 'X'."
    ),
    "ANY invoice (balance > 1400)": "Customers with one invoice whose balance is over 1,400.",
}
