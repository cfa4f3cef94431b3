"""The solver of small transport problems on the CPU, compiled to machine code by numba at its first use."""
