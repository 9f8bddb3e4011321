"""DNS messages, taken apart and put together anew: no octet of a server or a guest is passed on as it came."""
