"""From history to model: counting, intake, values."""
