"""Keys with a name, an end and a successor, and when each was last used."""

from alembic import op

revision = "0009"
down_revision = "0008"

COLUMNS = {
    "name": "text",
    "made_by": "text",
    "expires_at": "timestamptz",
    "revoked_at": "timestamptz",
    "last_used_at": "timestamptz",
    "replaced_by": "text",
}


def upgrade() -> None:
    op.execute("ALTER TABLE api_key " + ", ".join(f"ADD COLUMN {name} {kind}" for name, kind in COLUMNS.items()))


def downgrade() -> None:
    op.execute("ALTER TABLE api_key " + ", ".join(f"DROP COLUMN {name}" for name in COLUMNS))
