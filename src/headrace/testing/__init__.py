"""What Headrace is held to, shipped: the oracle, laws, generators, conformance suites, and feature tests."""

from __future__ import annotations

from headrace.testing.feature_tests.asserting import assert_features
from headrace.testing.feature_tests.case import FeatureTest

__all__ = ["FeatureTest", "assert_features"]
