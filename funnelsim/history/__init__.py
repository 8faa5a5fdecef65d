"""What happened: reading, checking and measuring a company's history."""
