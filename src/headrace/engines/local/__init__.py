"""The local engine: DuckDB reads, the kernel computes, in one process."""
