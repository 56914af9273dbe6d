"""The indexes that plans asked for (docs/performance.md)."""

from migrations.indexes import create_indexes, drop_indexes

revision = "0005"
down_revision = "0004"

# Open invoices are few, and asked for most: by customer, by size and by due date without a look at the table.
INDEXES = {
    "ix_invoice_open": "invoice (company_id, customer_id) INCLUDE (balance, due_date, status) WHERE balance <> 0",
    "ix_invoice_balance": "invoice (company_id, balance) INCLUDE (customer_id, due_date, status) WHERE balance <> 0",
    "ix_invoice_due_date": "invoice (company_id, due_date) INCLUDE (customer_id, balance, status) WHERE balance <> 0",
    "ix_invoice_status": "invoice (company_id, status, customer_id) "
    "WHERE status IN ('partially_paid', 'disputed', 'instalments')",
    "ix_invoice_reference": "invoice (company_id, reference)",
    "ix_payment_customer": "payment (company_id, customer_id, date) INCLUDE (amount, status)",
    "ix_payment_date": "payment (company_id, date) INCLUDE (customer_id, amount, status)",
    "ix_activity_date": "activity (company_id, date) INCLUDE (customer_id, by, kind)",
    "ix_customer_rating": "customer (company_id, rating)",
    "ix_customer_metrics_balance_overdue": "customer_metrics (company_id, balance_overdue) WHERE balance_overdue <> 0",
    "ix_customer_metrics_overdue_since": "customer_metrics (company_id, overdue_since) WHERE overdue_since IS NOT NULL",
}


def upgrade() -> None:
    create_indexes(INDEXES)


def downgrade() -> None:
    drop_indexes(INDEXES)
