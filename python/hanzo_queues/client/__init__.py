"""The Python SDK. Import from `hanzo_queues` (or `hanzo`), not from here."""
