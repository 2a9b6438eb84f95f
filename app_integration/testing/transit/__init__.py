"""Transit engine in memory: keys, items of requests, signatures and the operations on them."""
