"""The fields that a company defines itself; their values are in the `custom` column of the rows."""

from alembic import op

revision = "0006"
down_revision = "0005"

CUSTOM_FIELD = """
CREATE TABLE custom_field (
    company_id bigint NOT NULL,
    entity text NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    label text NOT NULL,
    choices text[] DEFAULT '{}' NOT NULL,
    is_ordered boolean DEFAULT false NOT NULL,
    CONSTRAINT pk_custom_field PRIMARY KEY (company_id, entity, name),
    CONSTRAINT ck_custom_field_entity CHECK (entity IN ('customer', 'invoice', 'payment')),
    CONSTRAINT ck_custom_field_type CHECK (
        type IN ('text', 'choice', 'number', 'count', 'percent', 'money', 'date', 'flag', 'set')),
    CONSTRAINT fk_custom_field_company FOREIGN KEY (company_id) REFERENCES company (company_id)
)
"""

POLICY = """
CREATE POLICY same_company ON custom_field
    USING (company_id = current_setting('app.company_id')::bigint)
    WITH CHECK (company_id = current_setting('app.company_id')::bigint)
"""


def upgrade() -> None:
    op.execute(CUSTOM_FIELD)
    op.execute("ALTER TABLE custom_field ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(POLICY)
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON custom_field TO duelist_app")


def downgrade() -> None:
    op.execute("DROP TABLE custom_field")
