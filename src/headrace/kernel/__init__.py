"""The kernel: point-in-time aggregation, latest values, tiles and records.

Pure: Arrow and NumPy in, Arrow and NumPy out.
"""
