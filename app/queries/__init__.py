"""Questions to a ledger: what a filter means, whom it selects, and single records as they are stored."""

from app.asked import Asked, Asking, Completing, Dated, Exporting, Kind, Paged, ask
from app.queries.aging import aging
from app.queries.answers import Format, Ledger, export, ledger_of, preview, rows_of
from app.queries.catalog import company_of, described
from app.queries.cursors import Cursors
from app.queries.forecast import Forecasting, forecast
from app.queries.funnel import funnel
from app.queries.parts import InParts, in_parts
from app.queries.readings import checked, compiled, completed, english_of, formatted
from app.queries.records import RECORDS, record
from app.queries.why import Doubted, why

__all__ = [
    "RECORDS",
    "Asked",
    "Asking",
    "Completing",
    "Cursors",
    "Dated",
    "Doubted",
    "Exporting",
    "Forecasting",
    "Format",
    "InParts",
    "Kind",
    "Ledger",
    "Paged",
    "aging",
    "ask",
    "checked",
    "company_of",
    "compiled",
    "completed",
    "described",
    "english_of",
    "export",
    "forecast",
    "formatted",
    "funnel",
    "in_parts",
    "ledger_of",
    "preview",
    "record",
    "rows_of",
    "why",
]
