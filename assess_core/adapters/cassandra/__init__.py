"""The hot store and facts in Cassandra."""
