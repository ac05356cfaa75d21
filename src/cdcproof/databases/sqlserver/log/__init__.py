"""The log and CDC's change tables: positions, and the changes in them."""
