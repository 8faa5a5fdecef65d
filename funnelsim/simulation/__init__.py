"""From model to the lives of leads: luck, steps and two engines."""
