"""The Spark engine: Spark shuffles and sorts, the kernel's streaming form computes in its Python workers."""
