"""Headers of every response, including those that are sent before, or instead of, calling a request handler."""

from __future__ import annotations

EVERY = {
    "Server": "parley",
    "X-Content-Type-Options": "nosniff",
    # Only the browser client is a page; it has a policy of its own (OWASP ASVS 3.4.3, 3.4.6).
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # No cache may answer for `/ready`, or keep an error.
    "Cache-Control": "no-store",
}
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade, close"}
"""Headers of each 426 response that ends the connection (RFC 9110 sections 7.8 and 15.5.22)."""
