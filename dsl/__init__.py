"""The filter language: text to a checked, explicit tree, and on to SQL and English."""

from dsl.analysis import Analysis, analyze, everyone
from dsl.catalog import CATALOG, Catalog
from dsl.diagnostics import Diagnostic, FilterError
from dsl.parser import Limits

__all__ = ["CATALOG", "Analysis", "Catalog", "Diagnostic", "FilterError", "Limits", "analyze", "everyone"]
