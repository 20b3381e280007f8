"""Production exports: which fields differ between failed and delivered rows."""
