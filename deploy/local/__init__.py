"""Cassandra, Kafka and S3 on loopback without Docker, as daemons: `deploy/local/servers up`."""
