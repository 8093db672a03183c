"""Folders in a bucket of S3."""
