"""Two versions of a company's ledger: the same keys, other values everywhere. So all that is there is of the version
that was imported last, and half an import would be seen."""

from pathlib import Path

from tests.test_imports import as_csv

CUSTOMERS = 60
PER_CUSTOMER = 2
VERSIONS = (0, 1)

# Of version 0 it selects everybody, of version 1 nobody.
FILTER = "invoice.amount = 100"


def sizes(version: int) -> dict[str, int]:
    """What the filter selects."""
    members = CUSTOMERS if version == 0 else 0
    return {"customers": members, "invoices": members * PER_CUSTOMER}


def write(folder: Path, mark: str, version: int) -> Path:
    """Every name begins with the company's mark."""
    customers = [f"{mark}-C{number}" for number in range(CUSTOMERS)]
    amount = str(100 * (version + 1))
    files = {
        "customers": [
            {"source_id": name, "name": f"{name} Ltd", "rating": "AB"[version], "credit_limit": amount}
            for name in customers
        ],
        "invoices": [
            {
                "source_id": f"{mark}-I{name}-{number}",
                "customer_id": name,
                "issue_date": "2026-01-01",
                "due_date": f"2026-0{version + 2}-01",
                "amount": amount,
                "balance": amount,
            }
            for name in customers
            for number in range(PER_CUSTOMER)
        ],
        "payments": [
            {
                "source_id": f"{mark}-P{name}",
                "customer_id": name,
                "date": "2026-01-02",
                "amount": amount,
                "unallocated": amount,
            }
            for name in customers
        ],
    }
    path = folder / f"{mark}-{version}"
    path.mkdir()
    for name, rows in files.items():
        (path / f"{name}.csv").write_text(as_csv(*rows))
    return path
