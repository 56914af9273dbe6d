"""The tables, as the import files need them. Money is `bigint` in ten-thousandths of the unit.

Every key begins with `company_id`, so that the schema distributes by company; a row's children carry `customer_id`
beside it. `derived` names the columns whose value was worked out because the import file did not state it: the next
import works them out again.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(constraint_name)s",
    }
)

Column = sa.Column[object]


def _text(name: str) -> Column:
    return sa.Column(name, sa.Text)


def _required(name: str, kind: type[sa.types.TypeEngine[Any]] = sa.Text) -> Column:
    return sa.Column(name, kind, nullable=False)


def _flag(name: str) -> Column:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())


def _money(name: str, *, nullable: bool = False) -> Column:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _day(name: str, *, nullable: bool = True) -> Column:
    return sa.Column(name, sa.Date, nullable=nullable)


def _set(name: str) -> Column:
    return sa.Column(name, ARRAY(sa.Text), nullable=False, server_default="{}")


def _choice(name: str, values: str, *, nullable: bool = False) -> tuple[Column, sa.CheckConstraint]:
    allowed = ", ".join(f"'{value}'" for value in values.split())
    return sa.Column(name, sa.Text, nullable=nullable), sa.CheckConstraint(f"{name} IN ({allowed})", name=name)


def _custom() -> Column:
    return sa.Column("custom", JSONB, nullable=False, server_default="{}")


def _tenant_table(name: str, *items: sa.schema.SchemaItem, of_customer: bool = True) -> sa.Table:
    """A table whose rows belong to a company, and mostly to one of its customers."""
    key = ["company_id", "customer_id", "id"] if of_customer else ["company_id", "id"]
    owner = (
        [
            sa.Column("customer_id", sa.BigInteger, nullable=False),
            sa.ForeignKeyConstraint(
                ["company_id", "customer_id"],
                ["customer.company_id", "customer.id"],
                name="customer",
                deferrable=True,
            ),
        ]
        if of_customer
        else [sa.ForeignKeyConstraint(["company_id"], ["company.company_id"], name="company")]
    )
    return sa.Table(
        name,
        metadata,
        sa.Column("company_id", sa.BigInteger, nullable=False),
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), nullable=False),
        sa.Column("source_id", sa.Text(collation="C"), nullable=False),
        *owner,
        *items,
        _set("derived"),
        sa.PrimaryKeyConstraint(*key),
        sa.UniqueConstraint("company_id", "source_id"),
    )


company = sa.Table(
    "company",
    metadata,
    sa.Column("company_id", sa.BigInteger, sa.Identity(always=False), nullable=False),
    _required("name"),
    _text("country"),
    _required("base_currency"),
    _required("time_zone"),
    sa.PrimaryKeyConstraint("company_id"),
    sa.UniqueConstraint("name"),
)

api_key = sa.Table(
    "api_key",
    metadata,
    sa.Column("company_id", sa.BigInteger, nullable=False),
    _required("prefix"),
    _required("salt", sa.LargeBinary),
    _required("hash", sa.LargeBinary),
    *_choice("scope", "read write admin"),
    sa.Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.now()),
    _text("name"),
    _text("made_by"),
    *(sa.Column(f"{moment}_at", TIMESTAMP(timezone=True)) for moment in ("expires", "revoked", "last_used")),
    _text("replaced_by"),
    sa.ForeignKeyConstraint(["company_id"], ["company.company_id"], name="company"),
    sa.PrimaryKeyConstraint("company_id", "prefix"),
)

customer_group = _tenant_table(
    "customer_group",
    _text("name"),
    sa.Column("parent_customer_id", sa.BigInteger),
    _flag("chasing_paused"),
    _money("credit_limit", nullable=True),
    _set("tags"),
    sa.ForeignKeyConstraint(
        ["company_id", "parent_customer_id"],
        ["customer.company_id", "customer.id"],
        name="parent_customer",
        deferrable=True,
        use_alter=True,
    ),
    of_customer=False,
)

customer = _tenant_table(
    "customer",
    _required("name"),
    _text("reference"),
    sa.Column("group_id", sa.BigInteger),
    _text("country"),
    _required("currency"),
    _money("credit_limit", nullable=True),
    *_choice("rating", "A B C D", nullable=True),
    sa.Column("strike", sa.BigInteger),
    _text("account_owner"),
    _flag("chasing_paused"),
    _day("chasing_paused_until"),
    _flag("allow_surcharges"),
    *_choice("auto_payment_method", "none card direct_debit", nullable=True),
    *_choice("payment_method", "none card direct_debit", nullable=True),
    *_choice("payment_method_status", "active inactive", nullable=True),
    _set("portfolios"),
    _set("tags"),
    _day("created_on"),
    _custom(),
    sa.CheckConstraint("strike BETWEEN 0 AND 10", name="strike"),
    sa.ForeignKeyConstraint(
        ["company_id", "group_id"],
        ["customer_group.company_id", "customer_group.id"],
        name="group",
        deferrable=True,
    ),
    sa.Index("ix_customer_group", "company_id", "group_id"),
    sa.Index("ix_customer_rating", "company_id", "rating"),
    of_customer=False,
)

contact = _tenant_table(
    "contact",
    _text("name"),
    _text("email"),
    _flag("email_valid"),
    _text("phone"),
    _text("source"),
)

invoice = _tenant_table(
    "invoice",
    _day("issue_date", nullable=False),
    _money("amount"),
    _day("due_date"),
    _money("balance"),
    _required("currency"),
    *_choice("status", "open partially_paid paid disputed instalments closed void"),
    _day("settled_on"),
    _day("expected_payment_date"),
    _text("reference"),
    _text("purchase_order"),
    _flag("chasing_paused"),
    _flag("bulk_payment_in_progress"),
    _set("tags"),
    _custom(),
    sa.Index(
        "ix_invoice_open",
        "company_id",
        "customer_id",
        postgresql_include=["balance", "due_date", "status"],
        postgresql_where=sa.text("balance <> 0"),
    ),
    sa.Index(
        "ix_invoice_balance",
        "company_id",
        "balance",
        postgresql_include=["customer_id", "due_date", "status"],
        postgresql_where=sa.text("balance <> 0"),
    ),
    sa.Index(
        "ix_invoice_due_date",
        "company_id",
        "due_date",
        postgresql_include=["customer_id", "balance", "status"],
        postgresql_where=sa.text("balance <> 0"),
    ),
    sa.Index(
        "ix_invoice_status",
        "company_id",
        "status",
        "customer_id",
        postgresql_where=sa.text("status IN ('partially_paid', 'disputed', 'instalments')"),
    ),
    sa.Index("ix_invoice_reference", "company_id", "reference"),
)

payment = _tenant_table(
    "payment",
    _day("date", nullable=False),
    _money("amount"),
    _money("amount_remaining"),
    _required("currency"),
    *_choice("status", "pending paid failed void"),
    *_choice("kind", "payment prepayment overpayment"),
    _text("source"),
    _text("reference"),
    _set("tags"),
    _custom(),
    sa.Index("ix_payment_customer", "company_id", "customer_id", "date", postgresql_include=["amount", "status"]),
    sa.Index("ix_payment_date", "company_id", "date", postgresql_include=["customer_id", "amount", "status"]),
)

credit_note = _tenant_table(
    "credit_note",
    _day("issue_date", nullable=False),
    _money("amount"),
    _money("amount_remaining"),
    _required("currency"),
    *_choice("status", "applied unapplied voided refunded"),
    _text("reference"),
    _set("tags"),
)

journal = _tenant_table(
    "journal",
    _day("date", nullable=False),
    _money("amount"),
    _money("balance"),
    _required("currency"),
    _text("reference"),
)

activity = _tenant_table(
    "activity",
    sa.Column("at", TIMESTAMP(timezone=True), nullable=False),
    _day("date", nullable=False),
    *_choice("by", "company customer"),
    *_choice("kind", "email sms letter call reply payment note promise visit handover other"),
    _flag("is_manual"),
    _text("subject"),
    sa.Column("invoice_customer_id", sa.BigInteger),
    sa.Column("invoice_id", sa.BigInteger),
    sa.ForeignKeyConstraint(
        ["company_id", "invoice_customer_id", "invoice_id"],
        ["invoice.company_id", "invoice.customer_id", "invoice.id"],
        name="invoice",
        deferrable=True,
    ),
    sa.Index("ix_activity_invoice", "company_id", "invoice_customer_id", "invoice_id"),
    sa.Index("ix_activity_date", "company_id", "date", postgresql_include=["customer_id", "by", "kind"]),
)

promise = _tenant_table(
    "promise",
    _day("due_date", nullable=False),
    _money("amount"),
    _day("made_on"),
    *_choice("status", "draft active kept broken cancelled"),
    _required("currency"),
)

# What part of a payment or credit note was set against which invoice. `customer_id` is the invoice's customer,
# `source_customer_id` the one of the payment or credit note: a parent may pay for its subsidiary.
# A file has no id for an allocation: it is the nth of its pair on its (stated) date. `date` is resolved: an
# allocation without a date has the date of its payment or credit note.
allocation = sa.Table(
    "allocation",
    metadata,
    sa.Column("company_id", sa.BigInteger, nullable=False),
    sa.Column("customer_id", sa.BigInteger, nullable=False),
    sa.Column("id", sa.BigInteger, sa.Identity(always=False), nullable=False),
    sa.Column("invoice_id", sa.BigInteger, nullable=False),
    sa.Column("source_customer_id", sa.BigInteger, nullable=False),
    sa.Column("payment_id", sa.BigInteger),
    sa.Column("credit_note_id", sa.BigInteger),
    sa.Column("ordinal", sa.BigInteger, nullable=False),
    _money("amount"),
    _day("date", nullable=False),
    _set("derived"),
    sa.CheckConstraint("(payment_id IS NULL) <> (credit_note_id IS NULL)", name="one_source"),
    sa.ForeignKeyConstraint(
        ["company_id", "customer_id", "invoice_id"],
        ["invoice.company_id", "invoice.customer_id", "invoice.id"],
        name="invoice",
        deferrable=True,
    ),
    sa.ForeignKeyConstraint(
        ["company_id", "source_customer_id", "payment_id"],
        ["payment.company_id", "payment.customer_id", "payment.id"],
        name="payment",
        deferrable=True,
    ),
    sa.ForeignKeyConstraint(
        ["company_id", "source_customer_id", "credit_note_id"],
        ["credit_note.company_id", "credit_note.customer_id", "credit_note.id"],
        name="credit_note",
        deferrable=True,
    ),
    sa.PrimaryKeyConstraint("company_id", "customer_id", "id"),
    sa.Index("ix_allocation_invoice", "company_id", "customer_id", "invoice_id"),
    sa.Index("ix_allocation_payment", "company_id", "source_customer_id", "payment_id"),
    sa.Index("ix_allocation_credit_note", "company_id", "source_customer_id", "credit_note_id"),
)

# Units of the base currency for one unit of `currency`, from `date` on.
fx_rate = sa.Table(
    "fx_rate",
    metadata,
    sa.Column("company_id", sa.BigInteger, nullable=False),
    _required("currency"),
    _day("date", nullable=False),
    sa.Column("rate", sa.Numeric, nullable=False),
    sa.CheckConstraint("rate > 0", name="rate"),
    sa.ForeignKeyConstraint(["company_id"], ["company.company_id"], name="company"),
    sa.PrimaryKeyConstraint("company_id", "currency", "date"),
)

metrics_day = sa.Table(
    "metrics_day",
    metadata,
    sa.Column("company_id", sa.BigInteger, nullable=False),
    _day("as_of", nullable=False),
    sa.ForeignKeyConstraint(["company_id"], ["company.company_id"], name="company"),
    sa.PrimaryKeyConstraint("company_id"),
)


def _touched(name: str, key: str) -> sa.Table:
    """Empty between transactions: whose kept metrics this one has to write again."""
    return sa.Table(
        name,
        metadata,
        sa.Column("company_id", sa.BigInteger, nullable=False),
        sa.Column(key, sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("company_id", key),
    )


touched_customer = _touched("touched_customer", "customer_id")
touched_group = _touched("touched_group", "group_id")


def _metrics(name: str, key: str, *columns: sa.schema.SchemaItem) -> sa.Table:
    """What is kept of each row of a table. An amount is missing where a rate of exchange is."""
    return sa.Table(
        name,
        metadata,
        sa.Column("company_id", sa.BigInteger, nullable=False),
        sa.Column(key, sa.BigInteger, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("company_id", key),
    )


customer_metrics = _metrics(
    "customer_metrics",
    "customer_id",
    sa.Column("average_days_late", sa.Numeric),
    sa.Column("average_days_to_pay", sa.Numeric),
    sa.Column("credit_limit_utilisation", sa.Numeric),
    _money("balance_due", nullable=True),
    _money("balance_overdue", nullable=True),
    _money("balance_overdue_1_30", nullable=True),
    _money("balance_overdue_31_45", nullable=True),
    _money("balance_overdue_31_60", nullable=True),
    _money("balance_overdue_46_60", nullable=True),
    _money("balance_overdue_61_90", nullable=True),
    _money("balance_overdue_91_over", nullable=True),
    _money("balance_total", nullable=True),
    _money("largest_open_balance", nullable=True),
    _money("amount_invoiced_12m", nullable=True),
    _money("overpayments", nullable=True),
    _money("prepayments", nullable=True),
    _money("total_unallocated", nullable=True),
    _money("base_balance_due", nullable=True),
    _money("base_balance_overdue", nullable=True),
    _money("base_balance_total", nullable=True),
    _money("base_open", nullable=True),
    _money("base_invoiced_365_days", nullable=True),
    _required("invoices_count", sa.BigInteger),
    _required("open_invoices", sa.BigInteger),
    _required("open_invoices_due", sa.BigInteger),
    _required("open_invoices_overdue", sa.BigInteger),
    _required("overdue_due_days", sa.BigInteger),
    _required("settled_invoices", sa.BigInteger),
    _required("settled_days_to_pay", sa.BigInteger),
    _day("overdue_since"),
    _day("last_company_action_date"),
    _day("last_company_communication_date"),
    _day("last_company_manual_communication_date"),
    _day("last_customer_action_date"),
    _day("last_customer_communication_date"),
    _day("last_action_date"),
    _day("last_payment_date"),
    _required("contact_details_available", sa.Boolean),
    _required("email_available", sa.Boolean),
    _required("phone_available", sa.Boolean),
    _required("is_group_parent", sa.Boolean),
    _text("country"),
    _text("group_parent"),
    sa.Index(
        "ix_customer_metrics_balance_overdue",
        "company_id",
        "balance_overdue",
        postgresql_where=sa.text("balance_overdue <> 0"),
    ),
    sa.Index(
        "ix_customer_metrics_overdue_since",
        "company_id",
        "overdue_since",
        postgresql_where=sa.text("overdue_since IS NOT NULL"),
    ),
)

group_metrics = _metrics(
    "group_metrics",
    "group_id",
    sa.Column("credit_limit_utilisation", sa.Numeric),
    _money("balance_due", nullable=True),
    _money("balance_overdue", nullable=True),
    _money("balance_total", nullable=True),
    _required("open_invoices_due", sa.BigInteger),
    _required("open_invoices_overdue", sa.BigInteger),
    _required("members_count", sa.BigInteger),
    _day("overdue_since"),
    _text("parent"),
)

company_metrics = sa.Table(
    "company_metrics",
    metadata,
    sa.Column("company_id", sa.BigInteger, nullable=False),
    sa.Column("average_days_to_pay", sa.Numeric),
    sa.Column("dso", sa.Numeric),
    sa.ForeignKeyConstraint(["company_id"], ["company.company_id"], name="company"),
    sa.PrimaryKeyConstraint("company_id"),
)

custom_field = sa.Table(
    "custom_field",
    metadata,
    sa.Column("company_id", sa.BigInteger, nullable=False),
    *_choice("entity", "customer invoice payment"),
    _required("name"),
    *_choice("type", "text choice number count percent money date flag set"),
    _required("label"),
    _set("choices"),
    _flag("is_ordered"),
    sa.ForeignKeyConstraint(["company_id"], ["company.company_id"], name="company"),
    sa.PrimaryKeyConstraint("company_id", "entity", "name"),
)


def _moment(name: str, *, now: bool = False) -> Column:
    default = sa.func.now() if now else None
    return sa.Column(name, TIMESTAMP(timezone=True), nullable=not now, server_default=default)


def _of_company(name: str, *items: sa.schema.SchemaItem) -> sa.Table:
    """What a company has apart from its ledger."""
    company_id = sa.Column("company_id", sa.BigInteger, nullable=False)
    return sa.Table(name, metadata, company_id, *items)


def _to_company() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["company_id"], ["company.company_id"], name="company")


def _number_of_its_own() -> Column:
    """Given by `workflows.numbers`; the sequence is for releases that know no other."""
    return sa.Column("id", sa.BigInteger, sa.Identity(always=False), nullable=False)


workflow = _of_company(
    "workflow",
    _number_of_its_own(),
    _required("name"),
    _required("version", sa.BigInteger),
    _moment("next_run_at"),
    _moment("removed_at"),
    _to_company(),
    sa.PrimaryKeyConstraint("company_id", "id"),
    sa.Index(
        "uq_workflow_company_id_name", "company_id", "name", unique=True, postgresql_where=sa.text("removed_at IS NULL")
    ),
    sa.Index(
        "ix_workflow_company_id_next_run_at",
        "company_id",
        "next_run_at",
        postgresql_where=sa.text("next_run_at IS NOT NULL"),
    ),
)

workflow_version = _of_company(
    "workflow_version",
    _required("workflow_id", sa.BigInteger),
    _required("version", sa.BigInteger),
    _required("name"),
    *_choice("level", "customer group"),
    _required("filter"),
    sa.Column("parts", JSONB),
    _required("respect_pauses", sa.Boolean),
    _required("is_active", sa.Boolean),
    sa.Column("growth_factor", sa.Numeric),
    sa.Column("schedule", JSONB),
    _required("catalog_version", sa.BigInteger),
    _moment("changed_at", now=True),
    _required("changed_by"),
    sa.ForeignKeyConstraint(["company_id", "workflow_id"], ["workflow.company_id", "workflow.id"], name="workflow"),
    sa.PrimaryKeyConstraint("company_id", "workflow_id", "version"),
)

segment = _of_company(
    "segment",
    _required("name"),
    _required("filter"),
    _required("version", sa.BigInteger),
    _required("catalog_version", sa.BigInteger),
    _moment("changed_at", now=True),
    _required("changed_by"),
    _to_company(),
    sa.PrimaryKeyConstraint("company_id", "name"),
)

run = _of_company(
    "run",
    _number_of_its_own(),
    _required("workflow_id", sa.BigInteger),
    _required("workflow_version", sa.BigInteger),
    _day("as_of", nullable=False),
    *_choice("level", "customer group"),
    _required("filter"),
    _required("english"),
    _required("segments", JSONB),
    _required("respect_pauses", sa.Boolean),
    _required("counts", JSONB),
    sa.Column("refusal", JSONB),
    _required("request", JSONB),
    _text("idempotency_key"),
    _moment("started_at", now=True),
    _required("started_by"),
    sa.ForeignKeyConstraint(
        ["company_id", "workflow_id", "workflow_version"],
        ["workflow_version.company_id", "workflow_version.workflow_id", "workflow_version.version"],
        name="workflow_version",
    ),
    sa.PrimaryKeyConstraint("company_id", "id"),
    sa.UniqueConstraint("company_id", "idempotency_key"),
    sa.Index("ix_run_company_id_workflow_id_id", "company_id", "workflow_id", "id"),
)

run_row = _of_company(
    "run_row",
    _required("run_id", sa.BigInteger),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("source_id", sa.Text(collation="C"), nullable=False),
    _required("is_held_back", sa.Boolean),
    _text("customer_source_id"),
    _text("name"),
    _text("currency"),
    _money("amount", nullable=True),
    _money("balance", nullable=True),
    _money("balance_overdue", nullable=True),
    _day("date"),
    sa.Column("balance_beyond", sa.Numeric),
    sa.Column("balance_overdue_beyond", sa.Numeric),
    sa.CheckConstraint("kind IN ('groups', 'customers', 'invoices', 'payments', 'credit_notes')", name="kind"),
    sa.ForeignKeyConstraint(["company_id", "run_id"], ["run.company_id", "run.id"], name="run"),
    sa.PrimaryKeyConstraint("company_id", "run_id", "kind", "source_id"),
)

webhook = _of_company(
    "webhook",
    _required("url"),
    _required("secret"),
    _moment("changed_at", now=True),
    _required("changed_by"),
    _to_company(),
    sa.PrimaryKeyConstraint("company_id"),
)

delivery = _of_company(
    "delivery",
    _required("run_id", sa.BigInteger),
    sa.Column("attempts", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("next_attempt_at", TIMESTAMP(timezone=True), server_default=sa.func.now()),
    _moment("delivered_at"),
    _text("answer"),
    sa.ForeignKeyConstraint(["company_id", "run_id"], ["run.company_id", "run.id"], name="run"),
    sa.PrimaryKeyConstraint("company_id", "run_id"),
    sa.Index(
        "ix_delivery_company_id_next_attempt_at",
        "company_id",
        "next_attempt_at",
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    ),
)

audit_entry = _of_company(
    "audit_entry",
    sa.Column("id", sa.Uuid, nullable=False, server_default=sa.text("gen_random_uuid()")),
    sa.Column("at", TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
    _required("who"),
    _required("action"),
    _required("subject"),
    _required("detail", JSONB),
    _to_company(),
    sa.PrimaryKeyConstraint("company_id", "id"),
    sa.Index(None, "company_id", "at", "id"),
)

counter = _of_company(
    "counter",
    _required("counted"),
    _required("last", sa.BigInteger),
    _to_company(),
    sa.PrimaryKeyConstraint("company_id", "counted"),
)
