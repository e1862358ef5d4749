"""Raw rows become counted events: values cast, expressions evaluated, bad rows told apart with a reason."""
