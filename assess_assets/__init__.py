"""Dagster: what runs when, and what depends on what."""

import warnings

# Dagster warns about each beta feature each time our code is loaded: 15 warnings of 3 lines. Every process that loads
# our code runs this line first: code location, run, backfill and tests. It names the text and not Dagster's classes,
# because their import takes a second, and `assess housekeeping` needs nothing else of Dagster.
warnings.filterwarnings("ignore", ".* is (currently in (beta|preview),|superseded)", module="assess_assets|dagster")
