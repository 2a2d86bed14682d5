"""One module per chapter, each with a ``CHAPTER``; see docs/board.md on how to add one."""
