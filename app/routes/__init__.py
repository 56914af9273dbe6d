"""The calls of the HTTP interface: where callers and features meet."""
