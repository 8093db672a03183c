"""What lies in files of this machine: log, facts, reports."""
