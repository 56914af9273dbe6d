"""How numbers and texts are written in a filter."""

from decimal import Decimal


def plain(value: Decimal) -> str:
    """Digits without exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
