"""Room for balances in a run's rows that no bigint holds, as sums of the largest amounts.

In columns beside those that there are: another type would rewrite the table while everybody waits, and the release
before would meet numbers that it does not expect.
"""

from alembic import op

revision = "0011"
down_revision = "0010"

COLUMNS = ("balance_beyond", "balance_overdue_beyond")


def upgrade() -> None:
    op.execute("ALTER TABLE run_row " + ", ".join(f"ADD COLUMN {column} numeric" for column in COLUMNS))


def downgrade() -> None:
    op.execute("ALTER TABLE run_row " + ", ".join(f"DROP COLUMN {column}" for column in COLUMNS))
