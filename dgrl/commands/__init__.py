"""The commands of the `dgrl` program, a file each."""
