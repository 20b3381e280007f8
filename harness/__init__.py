"""Controlled retests of campaign variants against Apple's mail hosts."""

__version__ = "0.1.0"
