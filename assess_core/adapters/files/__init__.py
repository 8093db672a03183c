"""Local files: log, facts and reports."""
