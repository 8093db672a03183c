"""The number of examples that Hypothesis tries, by the environment variable HYPOTHESIS_PROFILE.

    quick      (default) the number that each test sets, with different examples each time
    ci         the same number, always with the same examples; used if CI=true
    thorough   forty times as many, about an hour on one core; for changes of folding, archiving or a store

    HYPOTHESIS_PROFILE=thorough python -m pytest tests/properties

There is no deadline, because a Delta commit takes 10 to 50 ms, and ten times as long on a busy machine. Nothing is
stored between runs. A failure prints its example, and `@reproduce_failure` repeats it.
"""

import os

from hypothesis import HealthCheck, settings

_COMMON = settings(
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
settings.register_profile("quick", _COMMON)
settings.register_profile("ci", _COMMON, derandomize=True)
settings.register_profile("thorough", _COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") == "true" else "quick"))
