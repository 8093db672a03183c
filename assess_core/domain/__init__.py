"""Rules and values: pure, no driver, no effect."""
