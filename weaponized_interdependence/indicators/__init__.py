"""Network statistics: one file a family; the registry joins them."""
