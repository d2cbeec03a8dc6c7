"""Everything at once, on one machine: a broker, a history, a photo host, a worker, and the result as it comes."""
