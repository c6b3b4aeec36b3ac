"""Turning a config of MMDetection into one that trains on chips and tests on the pyramid."""
