"""What the commands do: each checks every argument first, then works, and gives its exit status."""
