"""What the analytics stack is made of: columns, and who may read which rows, as plain data."""
