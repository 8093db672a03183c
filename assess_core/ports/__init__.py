"""What use cases ask of stores, as protocols. Each is narrower than any adapter."""
