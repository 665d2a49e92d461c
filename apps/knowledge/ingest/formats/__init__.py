"""One reader per file format; each turns bytes into the blocks of an `ExtractedDocument`."""
