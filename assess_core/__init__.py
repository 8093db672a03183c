"""The core of the assessment lakehouse: rules, use cases, ports and adapters.

Only `assess_core.adapters` imports drivers, and no module imports click, rich or another package of this project.
docs/architecture.md says where each rule is kept; docs/vocabulary.md defines the words.
"""
