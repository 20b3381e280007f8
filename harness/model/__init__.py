"""Nouns of the experiment: small frozen values that every room shares (DESIGN words)."""
