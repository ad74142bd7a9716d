"""Names of files and folders that are allowed, and that libraries mistake for something else."""

import unicodedata

NAMES = [
    "a b", " a", "a ", "ü", unicodedata.normalize("NFD", "über"), "+", "#", "a#b", "%", "100%",
    "a%20b", "%zz", "&", "a&b", "(1)", "[1]", "[a-c]", "'", '"', "日本語", "🐦", "*", "?", "a?b=c",
    "-x", "--out", "~", "~x", "a~1", "$", "a$b", ";", "a:b", "a::b", "a=b", "a,b", "@", "!", "^",
    "`", "{x}", "|", "<>", "\\", "a\\b", "a\nb", "...", ".hidden", "a.zarr", "a.zip", "file:", "s3",
    "x" * 255, "ü" * 127,
]  # fmt: skip
