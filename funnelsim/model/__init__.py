"""What a funnel is: nouns that every other floor speaks."""
