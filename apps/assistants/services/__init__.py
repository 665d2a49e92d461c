"""Writes to assistants, one public function per intention."""
