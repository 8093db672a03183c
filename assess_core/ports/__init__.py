"""Protocols for what use cases need from stores. Each protocol is narrower than its adapters."""
