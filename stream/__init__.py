"""Bytewax: events of the log in, attempts, scores and failed events out. The store is the state, the flow has none."""
