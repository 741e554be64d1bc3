"""Files in and out: found, decoded, encoded, written whole or not at all, paired."""
