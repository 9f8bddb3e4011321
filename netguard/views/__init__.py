"""What people see: pure functions over trail records. Nothing here reads, decides or writes anything."""
