"""Dagster: what runs when, and what depends on what."""

import warnings

import dagster as dg

# Dagster warns about each beta feature each time our code is loaded: 15 warnings of 3 lines. Every process that loads
# our code runs these lines first: code location, run, backfill and tests.
for _notice in (dg.BetaWarning, dg.PreviewWarning, dg.SupersessionWarning):
    warnings.filterwarnings("ignore", category=_notice, module="assess_assets|dagster")
