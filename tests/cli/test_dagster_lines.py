"""The lines of Dagster's output that `assess up` shows."""

from assess_cli.dagster_lines import DagsterLines

TIME = "2026-11-29 01:56:47 +0000"
RUN = "__ASSET_JOB - 81a208d4-86b7-4e0c-a7aa-7b32bacc59a3 - 5420"


def shown(*lines: str) -> list[str]:
    show = DagsterLines()
    return [text for line in lines if (text := show(line)) is not None]


def test_routine_lines_are_not_shown() -> None:
    assert not shown(
        f"{TIME} - dagster - INFO - Launching Dagster services...",
        f"\x1b[32m{TIME}\x1b[0m - dagster.code_server - \x1b[34mINFO\x1b[0m - Started Dagster code server",
        f"{TIME} - dagster.daemon.SensorDaemon - INFO - Checking for new runs for sensor: register_slices_and_batches",
        "a second line of this record",
        "",
        f"{TIME} - dagster - DEBUG - {RUN} - archived_attempts - STEP_START - Started execution of step.",
        f"{TIME} - dagster.daemon.EventLogConsumerDaemon - WARNING - No cursor for event type RUN_FAILURE, ignoring",
        f"{TIME} - dagster - WARNING - /x/sensors.py:25: BetaWarning: Parameter `owners` is currently in beta",
        "  @dg.sensor(",
    )


def test_a_run_is_shown_as_one_line_when_it_ends() -> None:
    assert shown(
        f'{TIME} - dagster - DEBUG - {RUN} - RUN_START - Started execution of run for "__ASSET_JOB".',
        f'{TIME} - dagster - DEBUG - {RUN} - RUN_SUCCESS - Finished execution of run for "__ASSET_JOB".',
        f'{TIME} - dagster - ERROR - {RUN} - RUN_FAILURE - Execution of run for "__ASSET_JOB" failed.',
        f"{TIME} - dagster - DEBUG - {RUN} - RUN_CANCELED - Canceled.",
    ) == ["run 81a208d4 succeeded", "run 81a208d4 failed", "run 81a208d4 was cancelled"]


def test_warnings_and_errors_are_shown_with_all_their_lines() -> None:
    problem = [
        f"{TIME} - dagster.daemon.SensorDaemon - ERROR - Sensor daemon caught an error",
        "Traceback (most recent call last):",
        "sqlite3.OperationalError: disk I/O error",
        f"\x1b[32m{TIME}\x1b[0m - dagster - \x1b[33mWARNING\x1b[0m - a file is ignored",
    ]
    assert shown(*problem, f"{TIME} - dagster - INFO - the next record", "its second line") == problem


def test_lines_before_the_first_record_are_shown() -> None:
    assert shown("python: No module named dagster") == ["python: No module named dagster"]


def test_a_record_of_another_format_is_shown() -> None:
    assert shown(f"{TIME} - something else") == [f"{TIME} - something else"]
