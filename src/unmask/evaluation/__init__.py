"""Measuring models: metrics, calibration, the benchmark protocol."""
