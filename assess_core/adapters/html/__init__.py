"""Pages: values become HTML that needs no other file, no script and no network."""
