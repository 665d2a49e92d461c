"""The one way out to addresses that people name: crawled sites today, tools and webhooks later (L-09)."""
