"""What is wrong with staged rows that only the other rows can tell: each check marks its rows bad and names them."""

from collections.abc import Callable, Mapping

from psycopg.rows import tuple_row

from app.database import Connection
from app.imports.columns import FILES, Column, File
from app.imports.report import MOST_PROBLEMS, Problems
from app.imports.staging import Staged
from app.values import shown

Parameters = Mapping[str, object]

# These carry a currency in which there must be a rate, else a metric would be silently partial.
DOCUMENTS = ("invoices", "payments", "credit_notes", "journals", "promises")


def check(connection: Connection, staged: Mapping[str, Staged], parameters: Parameters, problems: Problems) -> None:
    """File after file, each after those it refers to: what hangs on a bad row is bad."""
    for name in FILES:
        if name in staged:
            _Check(connection, staged, FILES[name], parameters, problems).run()


class _Check:
    """The checks of one file, in the order in which a reader wants to hear of them."""

    def __init__(
        self,
        connection: Connection,
        staged: Mapping[str, Staged],
        file: File,
        parameters: Parameters,
        problems: Problems,
    ) -> None:
        self._connection = connection
        self._staged = staged
        self._file = file
        self._parameters = parameters
        self._problems = problems

    def run(self) -> None:
        if self._file.key:
            self._duplicates()
        if self._file.name == "allocations":
            self._both_or_neither()
        for column in self._file.columns:
            if column.refers and column.refers != "groups":  # a group that is only named is created
                self._unknown(column, FILES[column.refers])
        if self._file.name in DOCUMENTS:
            self._no_rate(self._currencies())
        if self._file.name == "customers":
            self._no_rate(_CURRENCIES_OF_CUSTOMERS_WITH_DOCUMENTS)

    def _refuse(self, faulty: str, column: str, code: str, message: Callable[..., str]) -> None:
        """`faulty` selects the lines; what it selects besides goes into the message."""
        staging = self._file.staging
        rows = self._connection.cursor(row_factory=tuple_row).execute(
            f"""
            WITH refused AS (
                UPDATE {staging} s SET bad = true FROM ({faulty}) faulty WHERE s.line = faulty.line RETURNING faulty.*)
            SELECT count(*) OVER (), refused.* FROM refused ORDER BY line LIMIT {MOST_PROBLEMS}
            """,
            self._parameters,
        )
        source = self._staged[self._file.name].source
        for number, (total, line, *values) in enumerate(rows, 1):
            more = total - number if number == MOST_PROBLEMS else 0
            self._problems.add(source.fault(line, column, code, message(*values)), more=more)

    def _duplicates(self) -> None:
        key = ", ".join(f"s.{name}" for name in self._file.key)
        lines = (
            f"SELECT s.line, min(s.line) OVER (PARTITION BY {key}) AS first, concat_ws(' ', {key}) AS value"
            f" FROM {self._file.staging} s WHERE num_nulls({key}) = 0"
        )
        self._refuse(
            f"SELECT * FROM ({lines}) d WHERE first < line",
            self._file.key[0],
            "duplicate",
            lambda first, value: f"{shown(value)} is on line {first} already",
        )

    def _both_or_neither(self) -> None:
        self._refuse(
            "SELECT line, payment_id IS NULL AS neither FROM staged_allocations"
            " WHERE NOT bad AND (payment_id IS NULL) = (credit_note_id IS NULL)",
            "payment_id",
            "both-or-neither",
            lambda neither: f"{'neither' if neither else 'both'} of payment_id and credit_note_id: state one",
        )

    def _unknown(self, column: Column, target: File) -> None:
        what = target.name.removesuffix("s").replace("_", " ")
        name = f'"{column.name}"'

        def message(value: str, refused: int | None) -> str:
            why = f": line {refused} of {self._staged[target.name].source.path.name} is a bad row" if refused else ""
            return f"there is no {what} {shown(value)}{why}"

        self._refuse(
            f"""
            SELECT s.line, s.{name} AS value, refused.line AS refused
            FROM {self._file.staging} s
            LEFT JOIN (SELECT source_id, min(line) AS line FROM {target.staging} WHERE bad GROUP BY source_id) refused
                ON refused.source_id = s.{name}
            WHERE s.{name} IS NOT NULL
              AND NOT EXISTS (
                  SELECT FROM {target.table} known
                  WHERE known.company_id = %(company)s AND known.source_id = s.{name})
              AND NOT EXISTS (SELECT FROM {target.staging} good WHERE good.source_id = s.{name} AND NOT good.bad)
            """,
            column.name,
            f"unknown-{what.replace(' ', '-')}",
            message,
        )

    def _no_rate(self, currencies: str) -> None:
        self._refuse(
            f"""
            SELECT line, value FROM ({currencies}) c
            WHERE value <> %(base)s
              AND value NOT IN (SELECT currency FROM fx_rate WHERE company_id = %(company)s)
              AND value NOT IN (SELECT currency FROM staged_fx_rates WHERE NOT bad AND currency IS NOT NULL)
            """,
            "currency",
            "no-rate",
            lambda value: f"there is no rate for {value} (fx_rates), so it cannot be converted to the base currency",
        )

    def _currencies(self) -> str:
        """The currency that each document will have."""
        is_stated = "currency" in self._staged[self._file.name].present
        customers = self._staged.get("customers")
        customer_states = customers is not None and "currency" in customers.present
        return f"""
            SELECT s.line, coalesce(
                s.currency,
                {"" if is_stated else "old.currency,"}
                staged_customer.currency,
                CASE WHEN {not customer_states} OR staged_customer.source_id IS NULL THEN customer.currency END,
                %(base)s) AS value
            FROM {self._file.staging} s
            LEFT JOIN {self._file.table} old
                ON old.company_id = %(company)s AND old.source_id = s.source_id AND 'currency' <> ALL (old.derived)
            LEFT JOIN staged_customers staged_customer
                ON staged_customer.source_id = s.customer_id AND NOT staged_customer.bad
            LEFT JOIN customer ON customer.company_id = %(company)s AND customer.source_id = s.customer_id
        """


_TAKING_THE_CURRENCY_OF_THEIR_CUSTOMER = " UNION ALL ".join(
    f"SELECT customer_id FROM {FILES[name].table} WHERE company_id = %(company)s AND 'currency' = ANY (derived)"
    for name in DOCUMENTS
)

_CURRENCIES_OF_CUSTOMERS_WITH_DOCUMENTS = f"""
    SELECT s.line, s.currency AS value
    FROM staged_customers s JOIN customer ON customer.company_id = %(company)s AND customer.source_id = s.source_id
    WHERE s.currency <> customer.currency AND customer.id IN ({_TAKING_THE_CURRENCY_OF_THEIR_CUSTOMER})
"""
