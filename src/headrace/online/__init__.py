"""Online state: generations from batch, epochs from the stream, and the read that merges them."""
