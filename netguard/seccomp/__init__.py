"""The wall: the guest's system calls handed to the supervisor, decided there and carried out on the guest's behalf."""
