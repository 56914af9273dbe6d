"""Who changed and ran what. It is only ever added to: the service's role may not change or remove an entry.

Entries have no numbers: those of a sequence would tell a company how much the others do.
"""

from alembic import op

revision = "0010"
down_revision = "0009"

AUDIT_ENTRY = """
CREATE TABLE audit_entry (
    company_id bigint NOT NULL,
    id uuid DEFAULT gen_random_uuid(),
    at timestamptz DEFAULT clock_timestamp() NOT NULL,
    who text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail jsonb NOT NULL,
    CONSTRAINT pk_audit_entry PRIMARY KEY (company_id, id),
    CONSTRAINT fk_audit_entry_company FOREIGN KEY (company_id) REFERENCES company (company_id)
)
"""

POLICY = """
CREATE POLICY same_company ON audit_entry
    USING (company_id = current_setting('app.company_id')::bigint)
    WITH CHECK (company_id = current_setting('app.company_id')::bigint)
"""


def upgrade() -> None:
    op.execute(AUDIT_ENTRY)
    op.execute("CREATE INDEX ix_audit_entry_company_id_at_id ON audit_entry (company_id, at, id)")
    op.execute("ALTER TABLE audit_entry ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(POLICY)
    op.execute("GRANT SELECT, INSERT ON audit_entry TO duelist_app")


def downgrade() -> None:
    op.execute("DROP TABLE audit_entry")
