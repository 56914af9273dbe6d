"""Source ids sort byte by byte, the same on every server: the unique index of each table has its pages in order, and
the parts of a distributed database merge alike.
"""

import importlib

from alembic import op

revision = "0003"
down_revision = "0002"

_views = importlib.import_module("migrations.versions.0002_views")

TABLES = (
    *("customer_group", "customer", "contact", "invoice", "payment"),
    *("credit_note", "journal", "activity", "promise"),
)


def upgrade() -> None:
    # Once migration 0002 made these too; they come back with the next one.
    op.execute("DROP VIEW IF EXISTS customer_metrics, group_metrics, company_metrics")
    op.execute("DROP VIEW IF EXISTS customer_metrics_as_of, group_metrics_as_of, company_metrics_as_of")
    _order('COLLATE "C"')


def downgrade() -> None:
    _order('COLLATE "default"')


def _order(collation: str) -> None:
    """No column changes under a view that shows it."""
    _views.downgrade()
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN source_id TYPE text {collation}")
    _views.upgrade()
