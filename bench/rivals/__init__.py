"""What a good engineer would write by hand instead: DuckDB SQL, Polars, raw LMDB.

A rival is a function from `Inputs` to a call that does the work once; what it returns is timed and compared.
"""
