"""The caps that keep one hostile or careless file from costing more than itself (L-13, L-14)."""

MEBIBYTE = 1024 * 1024

MAX_FILE_BYTES = 25 * MEBIBYTE
MAX_PAGES = 2_000
MAX_TEXT_CHARS = 8_000_000
MAX_BLOCKS = 200_000
MAX_TABLE_COLUMNS = 100

MAX_ARCHIVE_ENTRIES = 2_000
MAX_ARCHIVE_BYTES = 200 * MEBIBYTE
MAX_ARCHIVE_RATIO = 100
# The files of one uploaded ZIP become documents in one transaction.
MAX_BUNDLE_FILES = 500
# Small, highly regular XML compresses beyond any ratio; below this size the ratio says nothing.
RATIO_MATTERS_ABOVE_BYTES = 10 * MEBIBYTE

SANDBOX_CPU_SECONDS = 60
SANDBOX_WALL_SECONDS = 90.0
SANDBOX_ADDRESS_SPACE_BYTES = 768 * MEBIBYTE
SANDBOX_OUTPUT_BYTES = 96 * MEBIBYTE
SANDBOX_OPEN_FILES = 64
# Each page sent to text recognition buys this much more time, up to the whole that a job may take.
SANDBOX_MOST_WALL_SECONDS = 720.0

# What a picture may have before it is opened, and what of it is looked at (an A4 page at 250 dots per inch has 6 M).
MAX_IMAGE_PIXELS = 80_000_000
MAX_IMAGE_FRAMES = 50
OCR_PIXELS = 12_000_000
OCR_DPI = 250
OCR_PAGE_SECONDS = 60.0
OCR_PAGES = 100

# What the embedder reads at once, 256 word pieces, less its headings, frame marks and a margin.
CHUNK_TOKENS = 220
MIN_CHUNK_TOKENS = 60
