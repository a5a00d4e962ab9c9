"""What the commands do: each operation returns a frozen dataclass and never prints."""
