"""How many examples Hypothesis tries, by the environment variable HYPOTHESIS_PROFILE.

    quick      (default) the number that each test asks for, other ones each time
    ci         the same number, always the same examples; chosen where CI=true
    thorough   forty times as many: about an hour on one core, for a change of folding, archiving or a store

    HYPOTHESIS_PROFILE=thorough python -m pytest tests/properties

No deadline: a Delta commit takes 10 to 50 ms, and on a busy machine ten times that. Nothing is kept between runs: a
failure prints its example, and `@reproduce_failure` brings it back.
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
