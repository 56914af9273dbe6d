"""The service: one module per feature."""
