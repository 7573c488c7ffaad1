"""Headers of every response, also of those that are written before a request has a handler, or instead of one."""

from __future__ import annotations

EVERY = {
    "Server": "parley",
    "X-Content-Type-Options": "nosniff",
    # Nothing but the page is one (OWASP ASVS 3.4.3, 3.4.6).
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # A cache with rules of its own must not answer for `/ready`, nor keep a refusal.
    "Cache-Control": "no-store",
}
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade, close"}
"""Of every 426 that ends the connection (RFC 9110 sections 7.8 and 15.5.22)."""
