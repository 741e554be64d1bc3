"""From weights in a file, a package or on the hub to the parameters of a classifier."""
