"""Bytewax: folds events of the log into attempts, scores and failed events. All state is in the store."""
