"""Measure how good maps are by the field's metrics, over a data set or between two passes."""
