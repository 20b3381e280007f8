"""Brands: names that are imitated so often that filters know them, and the domains that are really theirs."""

from __future__ import annotations

# Name -> its own domains beside name.com.
BRANDS: dict[str, tuple[str, ...]] = {
    "adobe": (), "airbnb": (), "allegro": ("allegro.pl",), "americanexpress": (), "apple": ("apple.co",),
    "amazon": ("amzn.to", "a.co", "amazon.de", "amazon.co.uk", "amazon.fr", "amazon.it", "amazon.es", "amazon.co.jp"),
    "bankofamerica": (), "barclays": ("barclays.co.uk",), "binance": (), "booking": (), "chase": (), "coinbase": (),
    "dhl": ("dhl.de",), "docusign": (), "dropbox": ("db.tt",), "ebay": ("ebay.us", "ebay.de", "ebay.co.uk"),
    "facebook": ("fb.com", "fb.me", "meta.com"), "fedex": (), "gmail": (), "hsbc": ("hsbc.co.uk",), "icloud": (),
    "google": ("g.co", "goo.gl", "forms.gle", "youtube.com", "youtu.be", "google.de"),
    "instagram": ("instagr.am", "ig.me"), "linkedin": ("lnkd.in",), "microsoft": ("aka.ms",), "netflix": (),
    "office365": (), "outlook": (), "paypal": ("paypal.me", "paypal.de"), "spotify": ("spoti.fi",),
    "twitter": ("t.co", "x.com"), "usps": (), "wellsfargo": (), "whatsapp": ("wa.me",),
}  # fmt: skip
_OWNERS = {domain: name for name, domains in BRANDS.items() for domain in (f"{name}.com", *domains)}


def owner_of(registrable: str) -> str:
    """Return the brand that owns a registered domain, "" where none is known to."""
    return _OWNERS.get(registrable, "")


def brand_of(registrable: str) -> str:
    """Return the brand that a registered domain names, its own or not; "" where it names none."""
    name = registrable.partition(".")[0]
    return owner_of(registrable) or (name if name in BRANDS else "")
