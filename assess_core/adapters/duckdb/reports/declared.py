"""All reports. A new report is one line here."""

from collections.abc import Mapping
from typing import Final

from assess_core.adapters.duckdb.reports.columns import Declaration
from assess_core.adapters.duckdb.reports.response import RESPONSE
from assess_core.adapters.duckdb.reports.score import SCORE
from assess_core.domain.report_spec import Report

DECLARED: Final[Mapping[Report, Declaration]] = {
    Report.RESPONSE: RESPONSE,
    Report.SCORE: SCORE,
}
