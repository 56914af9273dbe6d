"""The two random generators: ledgers full of traps, and filters over the whole language to ask of them."""

from tests.oracle.random_filters import RandomFilter, random_filter
from tests.oracle.random_ledgers import Case, random_case, random_ledger

__all__ = ["Case", "RandomFilter", "random_case", "random_filter", "random_ledger"]
