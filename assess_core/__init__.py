"""The domain of the assessment lakehouse: pure rules and use cases over ports.

Drivers are imported in `assess_core.stores` alone, click and rich in `assess_cli` alone, and no other package of
ours anywhere. docs/architecture.md says where each rule is; docs/vocabulary.md what the words mean.
"""
