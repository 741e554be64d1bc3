"""Devices, compilation, memory, threads and timing of the process."""
