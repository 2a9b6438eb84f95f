"""Report: questions over the store, and a document of the answers. No answer has a value."""
