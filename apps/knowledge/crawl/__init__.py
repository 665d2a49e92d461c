"""What a crawl decides, as pure functions: addresses, rules, robots, pages, traps and the verdict on a run."""
