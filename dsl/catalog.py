"""Every entity and field a filter can name: one line each, with the exact definition in `catalog.md`.

The name check, types, SQL, English, completion, the catalog endpoint and the documentation are functions of this list.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from dsl.codes import COUNTRIES, CURRENCIES
from dsl.literals import quoted
from dsl.types import COUNT, DATE, DAYS, FLAG, MONEY, NUMBER, PERCENT, PLAIN, SET, TEXT, Kind, Type, choice

COUNTRY = Type(Kind.CODE, tuple(sorted(COUNTRIES)), what="country")
CURRENCY = Type(Kind.CODE, tuple(sorted(CURRENCIES)), what="currency")

Sql = sa.ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class Sources:
    """What the SQL of a field may read: the row's relation, the row's metrics, the as-of day, and other relations."""

    row: Callable[[str], Sql]
    metrics: Callable[[str], Sql]
    as_of: Sql
    related: Callable[[str], "sa.FromClause"]
    company: Sql


@dataclass(frozen=True, slots=True)
class Age:
    """Days from a date to the as-of day, or `ahead` from that day to the date, of rows where `where` holds."""

    date: Callable[[Sources], Sql]
    where: Callable[[Sources], Sql] | None = None
    ahead: bool = False

    def sql(self, at: Sources) -> Sql:
        days = self.date(at) - at.as_of if self.ahead else at.as_of - self.date(at)
        return days if self.where is None else sa.case((self.where(at), days))


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """`required` fields are never missing, but for want of a rate; where others that need one are missing though they are
    `given`, it is for the same. `tested` is true where the flag holds and an index may serve it, or the set
    as it is stored. `noun`, `clause` and `phrase` are how a filter reads: the subject of "is",
    what is so of a row when its flag holds, and a test in fewer words than with the noun."""

    name: str
    type: Type
    label: str
    help: str
    sql: Callable[[Sources], Sql]
    tested: Callable[[Sources], Sql] | None = None
    age: Age | None = None
    required: bool = False
    given: Callable[[Sources], Sql] | None = None
    noun: str = ""
    clause: str = ""
    phrase: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Entity:
    """`relation` is read for the company's today and later, `historic` for a day before it.

    `currency` names what the entity's money is in: a column of the row ("document"), the customer's, or the base.
    """

    name: str
    plural: str
    help: str
    relation: str
    historic: str
    currency: str
    fields: Mapping[str, Field]
    metrics: str | None = None

    @property
    def english(self) -> str:
        return self.name.replace("_", " ")


# ---------------------------------------------------------------- where a field's value comes from


def _stored(name: str) -> Callable[[Sources], Sql]:
    return lambda at: at.row(name)


def _metric(name: str) -> Callable[[Sources], Sql]:
    return lambda at: at.metrics(name)


def _set(name: str) -> Callable[[Sources], Sql]:
    # A set without elements is missing.
    return lambda at: sa.func.nullif(at.row(name), sa.literal_column("'{}'::text[]"))


def _is_open(at: Sources) -> Sql:
    return sa.and_(at.row("balance") != sa.literal_column("0"), at.row("status").not_in(_CLOSED))


def _is_overdue(at: Sources) -> Sql:
    return sa.and_(_is_open(at), sa.func.coalesce(at.row("due_date") < at.as_of, sa.false()))


def _overdue(at: Sources) -> Sql:
    return sa.and_(_is_open(at), at.row("due_date") < at.as_of)


def _aging(at: Sources) -> Sql:
    days = at.as_of - at.row("due_date")
    buckets = [(days >= sa.literal_column(str(first)), name) for first, name in _BUCKETS]
    aged = sa.case(
        *((test, sa.literal_column(f"'{name}'")) for test, name in buckets), else_=sa.literal_column("'not_due'")
    )
    return sa.case((_is_open(at), aged))


def _days_late(at: Sources) -> Sql:
    return sa.case((at.row("status").not_in(_CLOSED), at.row("settled_on") - at.row("due_date")))


def _paid_percent(at: Sources) -> Sql:
    """100 x (amount - balance) / amount, half up to four decimals by whole-number division, which is exact."""
    amount, balance = at.row("amount"), at.row("balance")
    exact = sa.cast(amount, sa.Numeric)
    paid = exact - balance
    scaled, size = 2 * 1_000_000 * sa.func.abs(paid) + sa.func.abs(exact), sa.func.nullif(2 * sa.func.abs(exact), 0)
    of_any = sa.func.sign(paid) * sa.func.sign(exact) * sa.func.div(scaled, size)
    # Nearly all invoices: fast whole numbers do for amounts up to 400 million.
    plain = sa.and_(amount.between(_literal(1), _literal(4 * 10**12)), balance.between(_literal(0), amount))
    whole, open_part = sa.cast(amount, sa.BigInteger), sa.cast(balance, sa.BigInteger)  # numeric, of a day before
    quick = (_literal(2_000_000) * (whole - open_part) + whole) // (_literal(2) * whole)
    return sa.case((plain, sa.cast(quick, sa.Numeric)), else_=of_any) / sa.literal_column("10000.0000")


def _literal(number: int) -> Sql:
    return sa.literal_column(f"{number}::bigint", sa.BigInteger)


def _chasing_paused(at: Sources) -> Sql:
    until = at.row("chasing_paused_until")
    return sa.and_(at.row("chasing_paused"), sa.func.coalesce(until >= at.as_of, sa.true()))


def _always(_at: Sources) -> Sql:
    return sa.true()


def _has_limit(at: Sources) -> Sql:
    return sa.func.coalesce(at.row("credit_limit"), sa.literal_column("0")) != sa.literal_column("0")


def _average_days_overdue(at: Sources) -> Sql:
    """From the sum of the due dates, counted from 1900; half up to four decimals by whole-number division."""
    number = sa.cast(at.metrics("open_invoices_overdue"), sa.Numeric)
    days = number * (at.as_of - sa.literal_column("DATE '1900-01-01'")) - at.metrics("overdue_due_days")
    return sa.func.div(20_000 * days + number, 2 * sa.func.nullif(number, 0)) / sa.literal_column("10000.0000")


def _latest_message(at: Sources) -> Sql:
    activity = at.related("activity")
    return (
        sa.select(sa.func.max(activity.c.date))
        .where(
            activity.c.company_id == at.company,
            activity.c.invoice_customer_id == at.row("customer_id"),
            activity.c.invoice_id == at.row("id"),
            activity.c.by == sa.literal_column("'company'"),
            activity.c.kind.in_([sa.literal_column(f"'{kind}'") for kind in ("email", "sms", "letter", "call")]),
        )
        .correlate_except(activity)
        .scalar_subquery()
    )


def _invoice_reference(at: Sources) -> Sql:
    invoice = at.related("invoice")
    return (
        sa.select(invoice.c.reference)
        .where(
            invoice.c.company_id == at.company,
            invoice.c.customer_id == at.row("invoice_customer_id"),
            invoice.c.id == at.row("invoice_id"),
        )
        .correlate_except(invoice)
        .scalar_subquery()
    )


def _is_chased(at: Sources) -> Sql:
    return at.row("status").in_([sa.literal_column("'active'"), sa.literal_column("'broken'")])


def _kind_is(name: str) -> Callable[[Sources], Sql]:
    return lambda at: at.row("kind") == sa.literal_column(f"'{name}'")


_CLOSED: list[Sql] = [sa.literal_column("'void'"), sa.literal_column("'closed'")]
_BUCKETS = ((91, "91+"), (61, "61-90"), (31, "31-60"), (1, "1-30"))

# ---------------------------------------------------------------- lines of the list


def _line(name: str, type: Type, label: str, help: str = "", **more: Any) -> Field:
    """A stored column unless `sql` says otherwise."""
    if type is SET:
        more |= {"sql": _set(name), "tested": _stored(name)}
    if "age" in more:
        more["sql"] = more["age"].sql
    if type is MONEY and more.get("required"):
        more["given"] = _always
    more.setdefault("sql", _stored(name))
    return Field(name, type, label, help or label, **{"noun": label, **more})


def _measured(name: str, type: Type, label: str, help: str = "", **more: Any) -> Field:
    """A column of the entity's metrics."""
    return _line(name, type, label, help, sql=_metric(name), **more)


def _fields(*lines: Field) -> Mapping[str, Field]:
    return {line.name: line for line in lines}


PAY_METHOD = choice("none card direct_debit")
RATING = choice("A B C D", ordered=True)

CUSTOMER = Entity("customer", "customers", "One account in the ledger.", "customer", "customer", "customer", _fields(
    _line("account_owner", TEXT, "account owner", "User the customer is assigned to", example="= 'Kim'"),
    _line("allow_surcharges", FLAG, "allow surcharges", clause="for which surcharges are allowed", required=True),
    _line("auto_payment_method", PAY_METHOD, "automatic payment method", "Type of automatic payment enabled", example="= 'card'"),
    _measured("average_days_late", NUMBER, "average days late", "Mean of settled_on - due_date over settled invoices with a due date; early counts as negative"),
    _measured("balance_due", MONEY, "balance due (not yet overdue)", "Sum of open balances not yet overdue", required=True),
    _measured("balance_overdue", MONEY, "balance overdue", "Sum of overdue balances", required=True, example="> 1000"),
    _measured("balance_overdue_1_30", MONEY, "balance overdue 1-30", "Overdue balances, 1 to 30 days late", required=True, noun="balance overdue 1-30 days"),
    _measured("balance_overdue_31_45", MONEY, "balance overdue 31-45", "Overdue balances, 31 to 45 days late", required=True, noun="balance overdue 31-45 days"),
    _measured("balance_overdue_31_60", MONEY, "balance overdue 31-60", "Overdue balances, 31 to 60 days late", required=True, noun="balance overdue 31-60 days"),
    _measured("balance_overdue_46_60", MONEY, "balance overdue 46-60", "Overdue balances, 46 to 60 days late", required=True, noun="balance overdue 46-60 days"),
    _measured("balance_overdue_61_90", MONEY, "balance overdue 61-90", "Overdue balances, 61 to 90 days late", required=True, noun="balance overdue 61-90 days"),
    _measured("balance_overdue_91_over", MONEY, "balance overdue 91 and over", "Overdue balances, 91 or more days late", required=True, noun="balance overdue 91 days and over"),
    _measured("balance_total", MONEY, "balance total", "Open invoice balances - unapplied credit notes - unallocated payments + journal balances", required=True),
    _measured("contact_details_available", FLAG, "contact details available", "At least one contact exists", clause="whose contact details are available", required=True),
    _measured("country", COUNTRY, "country", "The customer's country, else the company's (ISO 3166-1 alpha-2)", example="= 'DE'"),
    _line("credit_limit", MONEY, "credit limit", "Missing: no limit"),
    _measured("credit_limit_utilisation", PERCENT, "credit limit utilisation %", "100 x balance_total / credit_limit; missing when the limit is missing or 0", given=_has_limit, example="> 80%", noun="credit limit utilisation"),
    _line("chasing_paused", FLAG, "customer chasing paused", "Pause set and not yet run out on the as-of day", clause="whose chasing is paused", required=True, sql=_chasing_paused),
    _line("currency", CURRENCY, "currency", "Account currency (ISO 4217)", required=True, example="= 'EUR'"),
    _line("days_since_created", DAYS, "customer days source created", "As-of day - day created in the ERP", example="< 90", noun="number of days since created", phrase="that was created {} days ago", age=Age(_stored("created_on"))),
    _measured("group_parent", TEXT, "customer group parent", "Name of the top account of the customer's group", noun="group parent"),
    _measured("is_group_parent", FLAG, "is the group's parent", "This customer is the top account of its group", clause="that is the parent of the group", required=True),
    _measured("invoices_count", COUNT, "customer invoices count", "Invoices on the account, void ones left out", required=True, noun="number of invoices that are not void"),
    _line("name", TEXT, "customer name", "Customer name", required=True, example="CONTAINS 'gmbh'", noun="name"),
    _line("portfolios", SET, "customer portfolios", "Customer portfolios", example="HAS ANY ('Retail', 'Enterprise')", noun="portfolios"),
    _line("reference", TEXT, "customer reference", "Customer reference", noun="reference"),
    _line("source_id", TEXT, "customer source ID", "Id in the synced ERP", required=True, noun="source ID"),
    _measured("last_company_action_date", DATE, "date of company last action", "Latest activity by the company, of any kind"),
    _measured("last_company_communication_date", DATE, "date of company last communication", "Latest e-mail, SMS, letter or call by the company"),
    _measured("last_company_manual_communication_date", DATE, "date of company last manual communication", "Latest e-mail, SMS, letter or call by the company, sent by a person"),
    _measured("last_customer_action_date", DATE, "date of customer last action", "Latest activity by the customer, or payment if later"),
    _measured("last_customer_communication_date", DATE, "date of customer last communication", "Latest reply or call by the customer"),
    _measured("last_action_date", DATE, "date of last action (both)", "The later of the two last actions"),
    _measured("last_payment_date", DATE, "date of last payment received", "Latest date of a paid payment", example="IN LAST 30 DAYS"),
    _line("max_days_overdue", DAYS, "days overdue - most overdue invoice", "Over overdue invoices; missing if none", example="> 60", noun="number of days overdue of the most overdue invoice", age=Age(_metric("overdue_since"))),
    _measured("email_available", FLAG, "email address available", "A contact has a syntactically valid e-mail address", clause="for which an e-mail address is available", required=True),
    _line("rating", RATING, "rating", "A is best, D is worst", example="= 'D'"),
    _measured("open_invoices", COUNT, "open invoices", "Number of open invoices", required=True, noun="number of open invoices"),
    _measured("open_invoices_due", COUNT, "open invoices due (not yet overdue)", "Number of open invoices that are not yet overdue", required=True, noun="number of open invoices not yet overdue"),
    _measured("open_invoices_overdue", COUNT, "open invoices overdue", "Number of overdue invoices", required=True, example=">= 3", noun="number of overdue invoices"),
    _measured("overpayments", MONEY, "overpayments", "Unallocated part of payments that are not prepayments", required=True, noun="amount of overpayments"),
    _line("payment_method", PAY_METHOD, "payment method", "Payment method on file"),
    _line("payment_method_status", choice("active inactive"), "payment method status"),
    _measured("phone_available", FLAG, "phone number available", "A contact has a phone number", clause="for which a phone number is available", required=True),
    _measured("prepayments", MONEY, "prepayments", "Unallocated part of prepayments", required=True, noun="amount of prepayments"),
    _line("strike", COUNT, "strike", "0 to 10"),
    _measured("total_unallocated", MONEY, "total amount unallocated", "Prepayments + overpayments", required=True),
    _measured("average_days_to_pay", NUMBER, "average days to pay", "Mean of settled_on - issue_date over settled invoices"),
    _line("average_days_overdue", NUMBER, "average days overdue", "Mean of days_overdue over overdue invoices", sql=_average_days_overdue),
    _measured("amount_invoiced_12m", MONEY, "invoiced in the last 12 months", "Amounts of invoices issued in the 12 months that end on the as-of day", required=True, noun="amount invoiced in the last 12 months"),
    _measured("largest_open_balance", MONEY, "largest open invoice balance", "Largest balance of an open invoice", given=lambda at: at.metrics("open_invoices") > sa.literal_column("0")),
    _line("tags", SET, "tags", "Customer tags"),
), metrics="customer_metrics")  # fmt: skip

GROUP = Entity("group", "groups", "One customer group (parent account).", "customer_group", "customer_group", "base", _fields(
    _measured("balance_due", MONEY, "balance due (not yet overdue)", "Sum over members, in the base currency", required=True),
    _measured("balance_overdue", MONEY, "balance overdue", "Sum over members, in the base currency", required=True, example="> 10k"),
    _measured("balance_total", MONEY, "balance total", "Sum of the members' balance total, in the base currency", required=True),
    _line("chasing_paused", FLAG, "chasing paused", "The group's own flag", clause="whose chasing is paused", required=True),
    _line("credit_limit", MONEY, "credit limit", "The group's own limit"),
    _measured("credit_limit_utilisation", PERCENT, "credit limit utilisation %", "100 x balance_total / credit_limit; missing when the limit is missing or 0", given=_has_limit, noun="credit limit utilisation"),
    _line("max_days_overdue", DAYS, "days overdue - most overdue invoice", "Over the overdue invoices of all members; missing if none", noun="number of days overdue of the most overdue invoice", age=Age(_metric("overdue_since"))),
    _measured("open_invoices_due", COUNT, "open invoices due (not yet overdue)", "Over all members", required=True, noun="number of open invoices not yet overdue"),
    _measured("open_invoices_overdue", COUNT, "open invoices overdue", "Over all members", required=True, noun="number of overdue invoices"),
    _line("tags", SET, "tags", "The group's own tags"),
    _line("name", TEXT, "name", "Group name"),
    _line("source_id", TEXT, "source ID", "Id in the synced ERP", required=True),
    _measured("members_count", COUNT, "members", "Number of customers in the group", required=True, noun="number of members"),
    _measured("parent", TEXT, "parent", "Name of the parent customer"),
), metrics="group_metrics")  # fmt: skip

COMPANY = Entity("company", "companies", "The company itself.", "company", "company", "base", _fields(
    _line("name", TEXT, "name", "Company name", required=True),
    _line("country", COUNTRY, "country", "Company country"),
    _line("base_currency", CURRENCY, "base currency", required=True),
    _measured("average_days_to_pay", NUMBER, "average days to pay", "Mean of settled_on - issue_date over all settled invoices"),
    _measured("dso", NUMBER, "days sales outstanding", "365 x open balances / amount invoiced in the last 365 days"),
), metrics="company_metrics")  # fmt: skip

INVOICE = Entity("invoice", "invoices", "One sales invoice.", "invoice", "invoice_as_of", "document", _fields(
    _line("amount", MONEY, "amount", "Invoiced amount, in the invoice's currency", required=True),
    _line("balance", MONEY, "balance", "What is still to be paid, in the invoice's currency", required=True, example="> 1000"),
    _line("status", choice("open partially_paid paid disputed instalments closed void"), "status", required=True, example="= 'disputed'"),
    _line("issue_date", DATE, "issue date", required=True),
    _line("due_date", DATE, "due date", example="IN NEXT 7 DAYS"),
    _line("settled_on", DATE, "settlement date", "Day on which the balance became 0"),
    _line("expected_payment_date", DATE, "expected payment date"),
    _line("days_overdue", DAYS, "days overdue", "As-of day - due date, negative before; missing unless open with a due date", age=Age(_stored("due_date"), where=_is_open), example="> 30", noun="number of days overdue", phrase="that is {} days overdue"),
    _line("days_until_due", DAYS, "days until due", "Due date - as-of day; missing unless open with a due date", age=Age(_stored("due_date"), where=_is_open, ahead=True), noun="number of days until due", phrase="that is due in {} days"),
    _line("days_late", DAYS, "days late", "settled_on - due_date of settled invoices", sql=_days_late, noun="number of days late", phrase="that was settled {} days late"),
    _line("days_issued", DAYS, "days since issue", "As-of day - issue date", age=Age(_stored("issue_date")), required=True, noun="number of days since issue", phrase="that was issued {} days ago"),
    _line("aging", choice("not_due 1-30 31-60 61-90 91+"), "aging bucket", "Open invoices only", sql=_aging, example="= '61-90'"),
    _line("is_open", FLAG, "is open", "Balance is not 0 and status neither void nor closed", sql=_is_open, clause="that is open", required=True),
    _line("is_overdue", FLAG, "is overdue", "Open and due before the as-of day", sql=_is_overdue, tested=_overdue, clause="that is overdue", required=True),
    _line("chasing_paused", FLAG, "chasing paused", "The invoice's own pause", clause="whose chasing is paused", required=True),
    _line("bulk_payment_in_progress", FLAG, "bulk payment in progress", clause="for which a bulk payment is in progress", required=True),
    _line("paid_percent", PERCENT, "paid percent", "100 x (amount - balance) / amount", sql=_paid_percent, example="< 50%"),
    _line("currency", CURRENCY, "currency", required=True),
    _line("reference", TEXT, "reference", "Invoice number"),
    _line("purchase_order", TEXT, "purchase order"),
    _line("source_id", TEXT, "source ID", required=True),
    _line("tags", SET, "tags"),
    _line("last_company_communication_date", DATE, "date of last message about it", "Latest e-mail, SMS, letter or call by the company about this invoice", sql=_latest_message),
))  # fmt: skip

PAYMENT = Entity("payment", "payments", "One payment in the ERP.", "payment", "payment_as_of", "document", _fields(
    _line("amount", MONEY, "amount", "In the payment's currency", required=True, example="> 500"),
    _line("amount_remaining", MONEY, "remaining amount", "The unallocated part", required=True),
    _line("date", DATE, "date", required=True, example="IN LAST 30 DAYS", phrase="that is dated {}"),
    _line("days_since_paid", DAYS, "days since paid", "As-of day - date", age=Age(_stored("date")), required=True, noun="number of days since paid", phrase="that was made {} days ago"),
    _line("status", choice("pending paid failed void"), "status", required=True),
    _line("is_prepayment", FLAG, "is a prepayment", sql=_kind_is("prepayment"), clause="that is of the kind prepayment", required=True),
    _line("is_overpayment", FLAG, "is an overpayment", sql=_kind_is("overpayment"), clause="that is of the kind overpayment", required=True),
    _line("source", TEXT, "source", "The channel it came by"),
    _line("currency", CURRENCY, "currency", required=True),
    _line("reference", TEXT, "reference"),
    _line("source_id", TEXT, "source ID", required=True),
    _line("tags", SET, "tags"),
))  # fmt: skip

CREDIT_NOTE = Entity("credit_note", "credit_notes", "One credit note.", "credit_note", "credit_note_as_of", "document", _fields(
    _line("amount", MONEY, "amount", "In the credit note's currency", required=True),
    _line("amount_remaining", MONEY, "remaining amount", "The part not applied yet", required=True, example="> 0"),
    _line("is_assigned", FLAG, "is assigned", "Fully applied", sql=lambda at: at.row("amount_remaining") == sa.literal_column("0"), clause="that is fully applied", required=True),
    _line("currency", CURRENCY, "currency", required=True),
    _line("issue_date", DATE, "issue date", required=True),
    _line("days_issued", DAYS, "days since issue", "As-of day - issue date", age=Age(_stored("issue_date")), required=True, noun="number of days since issue", phrase="that was issued {} days ago"),
    _line("reference", TEXT, "reference"),
    _line("source_id", TEXT, "source ID", required=True),
    _line("status", choice("applied unapplied voided refunded"), "status", required=True),
    _line("tags", SET, "tags"),
))  # fmt: skip

CONTACT = Entity("contact", "contacts", "One person at the customer.", "contact", "contact", "none", _fields(
    _line("name", TEXT, "name"),
    _line("email", TEXT, "e-mail address", example="ENDS WITH '@example.com'"),
    _line("phone", TEXT, "phone number"),
    _line("source", TEXT, "source"),
    _line("source_id", TEXT, "source ID", required=True),
    _line("email_valid", FLAG, "e-mail address valid", "The address is syntactically valid", clause="whose e-mail address is valid", required=True),
))  # fmt: skip

ACTIVITY = Entity("activity", "activities", "One action or message, by the company or the customer.", "activity", "activity_as_of", "none", _fields(
    _line("date", DATE, "date", "In the company's time zone", required=True, phrase="that is dated {}"),
    _line("by", choice("company customer"), "actor", "Who acted", required=True),
    _line("kind", choice("email sms letter call reply payment note promise visit handover other"), "kind", required=True, example="= 'call'"),
    _line("is_manual", FLAG, "is manual", "Done by a person", clause="that was done by a person", required=True),
    _line("subject", TEXT, "subject"),
    _line("days_ago", DAYS, "days ago", "As-of day - date", age=Age(_stored("date")), required=True, noun="age in days", phrase="that was {} days ago"),
    _line("invoice_reference", TEXT, "invoice reference", "Reference of the invoice it is about", sql=_invoice_reference),
))  # fmt: skip

PROMISE = Entity("promise", "promises", "One promise to pay.", "promise_current", "promise_as_of", "document", _fields(
    _line("amount", MONEY, "amount", "In the promise's currency", required=True),
    _line("made_on", DATE, "date made"),
    _line("due_date", DATE, "due date", required=True),
    _line("status", choice("draft active kept broken cancelled"), "status", "Active promises that are past due without the money are broken", required=True, example="= 'broken'"),
    _line("days_overdue", DAYS, "days overdue", "As-of day - due date while active or broken", age=Age(_stored("due_date"), where=_is_chased), noun="number of days overdue", phrase="that is {} days overdue"),
    _line("currency", CURRENCY, "currency", required=True),
    _line("source_id", TEXT, "source ID", required=True),
))  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """The entities a company's filters can name, and the filters that are its segments."""

    entities: Mapping[str, Entity]
    to_one: Sequence[str] = ("customer", "group", "company")
    segments: Mapping[str, str] = field(default_factory=dict)

    def field(self, entity: str | None, name: str) -> Field | None:
        found = self.entities.get(entity) if entity else None
        return found.fields.get(name) if found else None


CATALOG = Catalog({entity.name: entity for entity in (
    CUSTOMER, GROUP, COMPANY, INVOICE, PAYMENT, CREDIT_NOTE, CONTACT, ACTIVITY, PROMISE,
)})  # fmt: skip
VERSION = 1

# ---------------------------------------------------------------- fields that a company defines

CUSTOM = "custom."
CUSTOMIZED = ("customer", "invoice", "payment")
MOST_CHOICES = 200

_NAME = re.compile("[a-z_][a-z0-9_]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Custom:
    """A field of a company's own, `customer.custom.plan`. Raises `ValueError`, with the reason, if it cannot be one.

    A label has no quotation mark, so that in a sentence everything between two of them is a label.
    """

    entity: str
    name: str
    type: Type
    label: str

    def __post_init__(self) -> None:
        kind, choices = self.type.kind, self.type.choices
        if self.entity not in CUSTOMIZED:
            raise ValueError(f"fields can be defined of {', '.join(CUSTOMIZED)}")
        if not _NAME.fullmatch(self.name):
            raise ValueError("a name has 1 to 63 of the characters a-z, 0-9 and _, and begins with no digit")
        if not _is_shown(self.label, 100) or '"' in self.label:
            raise ValueError("a label has 1 to 100 printable characters, none of them a quotation mark")
        if kind is not Kind.CHOICE and kind not in PLAIN:
            raise ValueError(f"no field of a company's own is of the type {kind}")
        if kind is not Kind.CHOICE and (choices or self.type.ordered):
            raise ValueError("only a choice has values, and an order of them")
        if kind is Kind.CHOICE and not 0 < len(choices) <= MOST_CHOICES:
            raise ValueError(f"a choice has 1 to {MOST_CHOICES} values")
        if not all(_is_shown(value, 200) for value in choices):
            raise ValueError("a value of a choice has 1 to 200 printable characters, and no space around them")
        if len({value.casefold() for value in choices}) < len(choices):
            raise ValueError("the values of a choice differ in more than letter case")


def _is_shown(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isprintable() and text == text.strip()


def custom_type(kind: Kind, choices: Iterable[str] = (), *, ordered: bool = False) -> Type:
    values = tuple(choices)
    return PLAIN[kind] if kind in PLAIN and not values and not ordered else Type(kind, values, ordered)


def with_custom(catalog: Catalog, fields: Iterable[Custom]) -> Catalog:
    """The catalog of a company that has defined these: the same one as long as they are the same."""
    defined = tuple(sorted(fields, key=lambda field: (field.entity, field.name)))
    return _with_custom(catalog, defined) if defined else catalog


@lru_cache(maxsize=1_000)
def _with_custom(catalog: Catalog, fields: tuple[Custom, ...]) -> Catalog:
    entities = dict(catalog.entities)
    for name in CUSTOMIZED:
        if own := _fields(*(_custom_line(field) for field in fields if field.entity == name)):
            entities[name] = replace(entities[name], fields={**entities[name].fields, **own})
    return replace(catalog, entities=entities)


def with_segments(catalog: Catalog, segments: Mapping[str, str]) -> Catalog:
    """The catalog of a company that has these segments, texts by name: the same one as long as they are the same."""
    return _with_segments(catalog, tuple(sorted(segments.items()))) if segments else catalog


@lru_cache(maxsize=1_000)
def _with_segments(catalog: Catalog, segments: tuple[tuple[str, str], ...]) -> Catalog:
    return replace(catalog, segments=dict(segments))


def _custom_line(field: Custom) -> Field:
    is_flag, noun = field.type is FLAG, f'"{field.label}"'
    return Field(
        f"{CUSTOM}{field.name}",
        field.type,
        field.label,
        "A field of the company's own",
        _custom_sql(field.name, field.type.kind),
        tested=_custom_flag(field.name) if is_flag else None,
        required=is_flag,
        noun=noun,
        clause=f"that is marked {noun}" if is_flag else "",
        example=f"= {quoted(field.type.choices[0])}" if field.type.choices else "",
    )


def _custom_text(at: Sources, name: str) -> Sql:
    return at.row("custom").op("->>", return_type=sa.Text())(sa.literal_column(f"'{name}'"))


def _custom_flag(name: str) -> Callable[[Sources], Sql]:
    return lambda at: _custom_text(at, name) == sa.literal_column("'true'")


def _custom_sql(name: str, kind: Kind) -> Callable[[Sources], Sql]:
    """No value fails to be read: what is stored has been brought to the one spelling of its type."""
    read = _CUSTOM_SQL[kind]
    return lambda at: read(_custom_text(at, name))


def _custom_money(text: Sql) -> Sql:
    return sa.cast(sa.cast(text, sa.Numeric) * sa.literal_column("10000"), sa.BigInteger)


_CUSTOM_SQL: Mapping[Kind, Callable[[Sql], Sql]] = {
    Kind.TEXT: lambda text: text,
    Kind.CHOICE: lambda text: text,
    Kind.NUMBER: lambda text: sa.cast(text, sa.Numeric),
    Kind.PERCENT: lambda text: sa.cast(text, sa.Numeric),
    Kind.COUNT: lambda text: sa.cast(text, sa.BigInteger),
    Kind.MONEY: _custom_money,
    Kind.DATE: lambda text: sa.cast(text, sa.Date),
    Kind.FLAG: lambda text: sa.func.coalesce(text == sa.literal_column("'true'"), sa.false()),
    Kind.SET: lambda text: sa.func.string_to_array(text, sa.literal_column("'|'")),
}
