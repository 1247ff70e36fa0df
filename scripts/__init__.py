"""What maintainers run: checks of what is installed, generators, lists, the smoke run in an AWS account."""
