"""As-of relational features: what is measured of an entity's history at an anchor."""
