"""How it reads: screen, page, sheet, comparison, evidence."""
