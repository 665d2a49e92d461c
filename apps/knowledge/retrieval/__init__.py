"""How passages are found: two ways of looking and their fusion. Private to `selectors.search`."""
