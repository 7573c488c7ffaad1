"""The aiohttp application: the page, health, the documents, and the operator's own port."""
