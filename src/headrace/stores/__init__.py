"""Online stores: adapters of the key-value port."""
