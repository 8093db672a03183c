"""All reports with rows. A new report is one line here."""

from collections.abc import Mapping
from typing import Final

from assess_core.adapters.duckdb.reports.assessment_analysis import ASSESSMENT_ANALYSIS
from assess_core.adapters.duckdb.reports.columns import Declaration
from assess_core.adapters.duckdb.reports.item_analysis import ITEM_ANALYSIS
from assess_core.adapters.duckdb.reports.option_analysis import OPTION_ANALYSIS
from assess_core.adapters.duckdb.reports.progress import PROGRESS
from assess_core.adapters.duckdb.reports.response import RESPONSE
from assess_core.adapters.duckdb.reports.score import SCORE
from assess_core.adapters.duckdb.reports.summary import SUMMARY
from assess_core.domain.report_spec import Report

DECLARED: Final[Mapping[Report, Declaration]] = {
    Report.RESPONSE: RESPONSE,
    Report.SCORE: SCORE,
    Report.SUMMARY: SUMMARY,
    Report.PROGRESS: PROGRESS,
    Report.ITEM_ANALYSIS: ITEM_ANALYSIS,
    Report.OPTION_ANALYSIS: OPTION_ANALYSIS,
    Report.ASSESSMENT_ANALYSIS: ASSESSMENT_ANALYSIS,
}
