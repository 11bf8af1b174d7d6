"""Who is pushing: provider tokens and client certificates."""
