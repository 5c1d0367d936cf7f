"""Tests of a pipeline's honesty: the same again, and nothing undeclared."""
