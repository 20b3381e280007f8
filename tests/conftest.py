"""Settings for the whole suite."""

import os

from hypothesis import HealthCheck, settings

from tests.mailstack.fixture import stack  # noqa: F401  (all tests that ask for it share one)

settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
