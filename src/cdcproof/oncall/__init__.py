"""From an alert to what is known of it, what to do in which order, whom to call, and the record of the incident."""
