"""Any number of digits read by any number of machines: inputs -> units of work -> parts in Parquet, with Ray Data.

Other packages use `job.plan` and `engine.read_parts`.
"""
