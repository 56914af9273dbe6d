"""Tables, views, row-level security and indexes, one step after another."""
