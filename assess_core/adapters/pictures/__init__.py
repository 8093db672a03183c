"""Pictures beside a report, as SVG and PNG files."""
