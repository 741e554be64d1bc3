"""The listing of a run: all its pictures, in one file, so that none stands in memory for long."""
