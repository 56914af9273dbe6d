"""The metrics of all groups from the kept ones of their members, joined once.

Beside `group_metrics_touched`, which looks up the members of each group: of many groups that is slow wherever
statistics are older than the rows.
"""

import importlib
from dataclasses import replace

from alembic import op

revision = "0012"
down_revision = "0011"

_metrics = importlib.import_module("migrations.versions.0004_metrics")

WHOLE = replace(_metrics.LIVE, metrics="customer_metrics")


def upgrade() -> None:
    op.execute(f"CREATE VIEW group_metrics_whole WITH (security_invoker = true) AS {_metrics.group_metrics(WHOLE)}")
    op.execute("GRANT SELECT ON group_metrics_whole TO duelist_app")


def downgrade() -> None:
    op.execute("DROP VIEW group_metrics_whole")
