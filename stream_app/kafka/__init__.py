"""Everything about Kafka itself: clients, topics, fencing, following topics, diagnosis, and a broker of our own."""
