"""What people see: tables, contact sheets, progress, class names."""
