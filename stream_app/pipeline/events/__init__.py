"""Last step: a labelled post becomes an event, is routed to its topics and published."""
