"""Tables, columns, topics and schemas."""
