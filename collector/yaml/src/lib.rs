//! YAML that people write: read strictly, with every error at its line and column at once.
