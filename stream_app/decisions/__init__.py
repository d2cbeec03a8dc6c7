"""What people do with incidents: acts in a topic of their own, folded into what everybody sees."""
