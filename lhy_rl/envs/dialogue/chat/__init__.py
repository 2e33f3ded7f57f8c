"""What is good about a reply: rewards by name, and what they are made of."""
