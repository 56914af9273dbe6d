"""A service that logs in as a role without rights above companies; workflows and runs numbered in each company."""

from alembic import op

revision = "0008"
down_revision = "0007"

# A sequence is shared by all companies: a number it gives tells how much the others have made. The release before this
# one still takes its numbers from there, so it stays.
COUNTER = """
CREATE TABLE counter (
    company_id bigint NOT NULL,
    counted text NOT NULL,
    last bigint NOT NULL,
    CONSTRAINT pk_counter PRIMARY KEY (company_id, counted),
    CONSTRAINT fk_counter_company FOREIGN KEY (company_id) REFERENCES company (company_id)
)
"""

POLICY = """
CREATE POLICY same_company ON counter
    USING (company_id = current_setting('app.company_id')::bigint)
    WITH CHECK (company_id = current_setting('app.company_id')::bigint)
"""

# Names are bound when it is made, so no search path leads it elsewhere.
COMPANY_IDS = """
CREATE FUNCTION company_ids() RETURNS SETOF bigint LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC SELECT company_id FROM company ORDER BY company_id; END
"""


def upgrade() -> None:
    op.execute(COUNTER)
    op.execute("ALTER TABLE counter ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(POLICY)
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON counter TO duelist_app")
    # Forced like every table; whoever owns it lists the companies, and makes them.
    op.execute("ALTER TABLE company FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY above_companies ON company TO CURRENT_USER USING (true) WITH CHECK (true)")
    op.execute(COMPANY_IDS)
    op.execute("REVOKE ALL ON FUNCTION company_ids() FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION company_ids() TO duelist_app")
    op.execute("GRANT SELECT ON alembic_version TO duelist_app")


def downgrade() -> None:
    op.execute("REVOKE SELECT ON alembic_version FROM duelist_app")
    op.execute("DROP FUNCTION company_ids()")
    op.execute("DROP POLICY above_companies ON company")
    op.execute("ALTER TABLE company NO FORCE ROW LEVEL SECURITY")
    op.execute("DROP TABLE counter")
