"""Spark over the same lake: the response report as a job."""
