"""Every model that is known by name: entries, their JSON form, look-up, labels, sizes."""
