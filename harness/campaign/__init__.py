"""Template to factors to variants to final bytes; pure."""
