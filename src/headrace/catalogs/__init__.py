"""Registry storage: adapters of the Catalog port."""
