"""GDT, the German device interface (QMS): records as lines of length, field and content."""
