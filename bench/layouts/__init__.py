"""How the tiles of an entity lie in a store: the layouts that were compared, and what compares them."""
