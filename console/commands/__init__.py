"""Commands, in folders by what they are for, as the help lists them."""
